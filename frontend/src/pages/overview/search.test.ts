import { expect, test } from 'vitest';

import { overviewSearch } from './search';

test('what an address may say is kept', () => {
  const said = {
    decoy: 'web-01',
    kind: 'auth_attempt',
    colour: 'confidence',
    unseen: 'hidden',
    text: 'shell',
    open: 'TA0002/T1059,TA0003/T1098',
  };
  expect(overviewSearch(said)).toEqual(said);
});

test('text that looks like a number is text', () => {
  expect(overviewSearch({ text: 1059, decoy: 7 })).toEqual({ text: '1059', decoy: '7' });
});

test.each([
  { kind: 'DROP TABLE' },
  { colour: 'pink' },
  { unseen: true },
  { text: '' },
  { decoy: 'a\0b' },
  { open: '../../etc' },
  { text: ['shell'] },
])('%j is left out', (said) => {
  expect(overviewSearch(said)).toEqual({});
});
