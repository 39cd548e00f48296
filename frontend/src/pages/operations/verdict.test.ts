import { expect, test } from 'vitest';

import { verdicts } from './verdict';

const WELL = {
  sensors: [{ name: 'a', heard_at: 1, quiet_s: 5 }],
  workers: { workers: [{ name: 'ttp', waiting: 3, oldest_age_s: 0.2 }], leases: {}, outbox: 0 },
  dead: [],
  refusals: [],
};

test('all is well', () => expect(verdicts(WELL)).toEqual([{ isWell: true, text: expect.any(String) as string }]));

test('a worker that stands still comes before a sensor that is quiet', () => {
  const said = verdicts({
    ...WELL,
    sensors: [{ name: 'a', heard_at: 1, quiet_s: 90_000 }],
    workers: { ...WELL.workers, workers: [{ name: 'attribute', waiting: 7, oldest_age_s: 600 }] },
  });
  expect(said.map((one) => one.isWell)).toEqual([false, false]);
  expect(said[0]?.text).toContain('attribute is 10 min behind');
  expect(said[1]?.text).toContain('nothing comes in');
});

test('nothing was heard yet', () =>
  expect(verdicts({ ...WELL, sensors: [] })[0]?.text).toBe('No sensor was heard yet.'));
