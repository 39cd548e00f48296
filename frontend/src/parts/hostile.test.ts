import { describe, expect, test } from 'vitest';

import { cut, pieces, signOf, stretchOfBytes } from './hostile';

const shown = (text: string) =>
  pieces(text)
    .map((piece) => piece.text)
    .join('');

describe('signs', () => {
  test.each([
    ['\u0000', '\u2400'],
    ['\u001b', '\u241b'],
    ['\r', '\u240d'],
    ['\u007f', '\u2421'],
    ['\u009b', '⟨009B⟩'],
    ['\u202e', '⟨202E⟩'],
    ['\u2066', '⟨2066⟩'],
    ['\u200b', '⟨200B⟩'],
    ['\ufeff', '⟨FEFF⟩'],
    ['\u2028', '⟨2028⟩'],
    ['\u{e0041}', '⟨E0041⟩'],
    ['\ud800', '⟨D800⟩'],
    ['\u3164', '⟨3164⟩'],
  ])('%j is shown as %s', (character, sign) => expect(signOf(character)).toBe(sign));

  test.each(['a', ' ', '\n', '\t', 'é', 'ש', '漢', '😀'])('%j is shown as it is', (character) =>
    expect(signOf(character)).toBeNull(),
  );
});

test('text is shown whole, with signs in the place of what cannot be seen', () => {
  expect(shown('wget \u202egnp.exe')).toBe('wget ⟨202E⟩gnp.exe');
});

test('what matched is marked, and nothing else', () => {
  const marked = pieces('cd /tmp; wget x', [{ start: 9, end: 13 }]).filter((piece) => piece.isMatch);
  expect(marked.map((piece) => piece.text)).toEqual(['wget']);
});

test('stretches beyond the text mark nothing', () => {
  expect(pieces('abc', [{ start: 7, end: 9 }]).some((piece) => piece.isMatch)).toBe(false);
});

describe('stretches in bytes', () => {
  const text = 'é漢😀x';
  test.each([
    [0, 2, { start: 0, end: 1 }],
    [2, 5, { start: 1, end: 2 }],
    [5, 9, { start: 2, end: 3 }],
    [9, 10, { start: 3, end: 4 }],
    [0, 10, { start: 0, end: 4 }],
    [30, 40, { start: 0, end: 0 }],
  ])('bytes %i to %i', (start, end, stretch) => expect(stretchOfBytes(text, start, end)).toEqual(stretch));
});

test('a text is cut between characters, and it is said how much is left', () => {
  expect(cut('abcdef', 4)).toEqual({ shown: 'abcd', more: 2 });
  expect(cut('abc', 4)).toEqual({ shown: 'abc', more: 0 });
  expect(cut('a😀b', 2)).toEqual({ shown: 'a', more: 3 });
});
