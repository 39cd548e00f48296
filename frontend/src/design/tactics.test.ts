import { expect, test } from 'vitest';

import { contrast, luminance } from './heat';
import { TACTIC_COLOURS, tacticColour } from './tactics';

function lightness(hex: string): number {
  const channel = (from: number) => Number.parseInt(hex.slice(from, from + 2), 16);
  return luminance([channel(1), channel(3), channel(5)]);
}

test('neighbours differ in lightness', () => {
  const contrasts = TACTIC_COLOURS.slice(1).map((colour, index) =>
    contrast(lightness(colour), lightness(TACTIC_COLOURS[index] ?? '')),
  );
  expect(Math.min(...contrasts)).toBeGreaterThan(1.5);
});

test('a sixteenth tactic has a colour', () => {
  expect(tacticColour(15)).toBe(TACTIC_COLOURS[0]);
});
