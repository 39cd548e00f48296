import { expect, test } from 'vitest';

import { lanesOf, rowsOf } from './lanes';

const session = (decoy: string, started_at: number, last_event_at = started_at) => ({
  uuid: `${decoy}${started_at}`,
  decoy,
  protocol: 'ssh',
  started_at,
  last_event_at,
});

test('one lane per decoy, the first visited first', () => {
  const lanes = lanesOf([session('b', 5), session('a', 9), session('b', 1)]);
  expect(lanes.map(({ decoy, sessions }) => [decoy, sessions.map((one) => one.started_at)])).toEqual([
    ['b', [1, 5]],
    ['a', [9]],
  ]);
});

test('sessions at one time stand in rows of their own, as far as there are rows', () => {
  const sessions = [session('a', 0, 10), session('a', 5, 7), session('a', 6, 9), session('a', 8, 9), session('a', 11)];
  expect(rowsOf(sessions, 9)).toEqual([0, 1, 2, 1, 0]);
  expect(rowsOf(sessions, 2)).toEqual([0, 1, 1, 1, 0]);
});
