import { expect, test } from 'vitest';

import { boundsOf, frameSearch } from './search';

test('an address says what it means', () => {
  const said = { range: '7d', conf: 0.8, tag: '1795397799627254.b7ece7ff-944b-5c25-a3b3-4c502f224226' };
  expect(frameSearch(said)).toEqual(said);
});

test.each([
  { range: 'forever' },
  { since: -1 },
  { since: 1.5 },
  { until: '<script>' },
  { conf: 7 },
  { conf: 'much' },
  { tag: '../../auth/logout' },
  { tag: 12 },
  { unknown: 1 },
])('what makes no sense is left out: %j', (raw) => expect(frameSearch(raw)).toEqual({}));

const NOW_MS = 1_795_397_799_627;

test('a stretch up to now begins at a whole minute', () => {
  const { since = 0 } = boundsOf({ range: '1h' }, NOW_MS);
  expect(since % 60_000_000).toBe(0);
  expect(NOW_MS * 1000 - since).toBeLessThan(3_660_000_000);
});

test('times that are given win over a stretch up to now', () => {
  expect(boundsOf({ range: '1h', since: 5 }, NOW_MS)).toEqual({ since: 5 });
  expect(boundsOf({ range: 'all' }, NOW_MS)).toEqual({});
});
