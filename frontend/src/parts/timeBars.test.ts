import { expect, test } from 'vitest';

import { bars, stacked, stretchAt } from './timeBars';

const HOUR_US = 3_600_000_000;
const KINDS = [
  { id: 'TA0001', name: 'Initial Access', colour: 'red' },
  { id: 'TA0002', name: 'Execution', colour: 'blue' },
  { id: 'TA0003', name: 'Persistence', colour: 'green' },
];
const ANSWER = {
  since: 10 * HOUR_US + 5,
  until: 13 * HOUR_US,
  bucket: 'hour' as const,
  items: [
    { started_at: 10 * HOUR_US, tactic: 'TA0001', count: 2 },
    { started_at: 12 * HOUR_US, tactic: 'TA0001', count: 1 },
    { started_at: 12 * HOUR_US, tactic: 'TA0002', count: 4 },
    { started_at: 12 * HOUR_US, tactic: 'TA0999', count: 9 },
  ],
};

test('stretches without tags are there, tactics without tags are not', () => {
  const made = bars(ANSWER, KINDS);
  expect(made.starts).toEqual([36_000, 39_600, 43_200]);
  expect(made.series.map(({ id, values }) => [id, values])).toEqual([
    ['TA0001', [2, 0, 1]],
    ['TA0002', [0, 0, 4]],
  ]);
});

test('tops lie upon each other, the highest first', () => {
  const { series, starts } = bars(ANSWER, KINDS);
  expect(stacked(series, starts.length)).toEqual([
    [2, 0, 5],
    [2, 0, 1],
  ]);
});

test('a moment lies in the stretch that began before it', () => {
  const made = bars(ANSWER, KINDS);
  expect(stretchAt(made, 39_601)).toBe(1);
  expect(stretchAt(made, 35_999)).toBeNull();
  expect(stretchAt(made, 46_800)).toBeNull();
});
