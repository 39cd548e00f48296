import { expect, test } from 'vitest';

import { bondsOf, listed, sameInWords } from './joined';

test('kinds are told in words, unknown ones as they are', () => {
  expect(sameInWords(['payload', 'hassh'])).toBe('the same file and SSH client (HASSH)');
  expect(sameInWords(['new_kind'])).toBe('the same new kind');
  expect(listed([])).toBe('');
  expect(listed(['a', 'b', 'c'])).toBe('a, b and c');
});

test('what members share is told once, the strongest first', () => {
  const weak = { reason: '["1"]', kinds: ['script'], weight: 1 };
  const strong = { reason: '["2"]', kinds: ['payload'], weight: 2 };
  const bonds = bondsOf([
    { uuid: 'a', reasons: [weak, strong] },
    { uuid: 'b', reasons: [strong] },
    { uuid: 'c', reasons: [weak] },
    { uuid: 'd', reasons: [weak] },
  ]);
  expect(bonds.map(({ reason, uuids }) => [reason, uuids])).toEqual([
    ['["2"]', ['a', 'b']],
    ['["1"]', ['a', 'c', 'd']],
  ]);
});
