import { expect, test } from 'vitest';

import { ago, day, length, moment, offset } from './time';

const US = 1_795_397_799_627_254;

test('a moment is told in the zone that was chosen', () => {
  expect(moment(US, 'utc')).toBe('2026-11-23 01:36:39');
  expect(day(US, 'utc')).toBe('2026-11-23');
});

test.each([
  [1_500_000, '1.5 s'],
  [42_000_000, '42 s'],
  [200_000_000, '3 min 20 s'],
  [7_500_000_000, '2 h 5 min'],
  [86_400_000_000, '1 d'],
])('%i µs are %s', (us, text) => expect(length(us)).toBe(text));

test.each([
  [0, '+0:00'],
  [67_400_000, '+1:07'],
  [3_753_000_000, '+1:02:33'],
  [-5, '+0:00'],
])('%i µs after a log-in is %s', (us, text) => expect(offset(us)).toBe(text));

test('how long ago something was is told in its largest unit', () => {
  expect(ago(US, US / 1000 + 3 * 3_600_000 + 5_000)).toBe('3h ago');
});
