import { expect, test } from 'vitest';

import { confidencePaint, contrast, countPaint, luminance, share } from './heat';

const rgb = (text: string) => {
  const parts = (text.match(/[\da-f]{2}(?=[\da-f]*$)|\d+/gi) ?? []).map((part) =>
    text.startsWith('#') ? parseInt(part, 16) : Number(part),
  );
  return [parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0] as const;
};
const STEPS = Array.from({ length: 101 }, (_, step) => step / 100);

test.each([
  ['counts', countPaint],
  ['confidence', confidencePaint],
])('text on every colour of the scale for %s has a contrast of AA', (_, paint) => {
  for (const step of STEPS) {
    const { background, color } = paint(step);
    expect(contrast(luminance(rgb(background)), luminance(rgb(color))), `${step}`).toBeGreaterThanOrEqual(4.5);
  }
});

test('the scale for counts only grows lighter, so that it can be read without colours', () => {
  const lights = STEPS.map((step) => luminance(rgb(countPaint(step).background)));
  expect(lights).toEqual(lights.toSorted((one, other) => one - other));
});

test('one loud technique does not drown the others', () => {
  expect(share(0, 1_000_000)).toBe(0);
  expect(share(1_000_000, 1_000_000)).toBe(1);
  expect(share(100, 1_000_000)).toBeGreaterThan(0.3);
});
