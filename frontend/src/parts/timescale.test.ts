import { expect, test } from 'vitest';

import { isByDays, scaleOver } from './timescale';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;

test('everything stands within the line, and ticks are round and few', () => {
  for (const length of [0, 20 * SECOND, 3_700 * SECOND, 5 * DAY, 900 * DAY]) {
    const scale = scaleOver([1_795_397_779_611_799, 1_795_397_779_611_799 + length]);
    const places = [1_795_397_779_611_799, 1_795_397_779_611_799 + length].map(scale.at);
    expect(Math.min(...places)).toBeGreaterThan(0);
    expect(Math.max(...places)).toBeLessThan(100);
    expect(scale.ticks.length).toBeLessThanOrEqual(9);
    expect(scale.ticks.every((tick) => tick % scale.step === 0)).toBe(true);
  }
});

test('long stretches are told by days, nothing at all has a line too', () => {
  expect(isByDays(scaleOver([0, 40 * DAY]))).toBe(true);
  expect(isByDays(scaleOver([0, 40 * SECOND]))).toBe(false);
  expect(scaleOver([]).ticks.length).toBeGreaterThan(0);
});
