import { expect, test } from 'vitest';

import { csv, field } from './csv';

test.each([
  ['=1+1', "'=1+1"],
  ['+cmd', "'+cmd"],
  ['-rf /', "'-rf /"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
])('%j is no formula', (text, written) => expect(field(text)).toBe(written));

test.each([
  [-1.5, '-1.5'],
  ['plain', 'plain'],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  [null, ''],
])('%j is written as %s', (value, written) => expect(field(value)).toBe(written));

test('lines end as RFC 4180 says', () => {
  expect(csv(['a', 'b'], [[1, 'x\ny']])).toBe('a,b\r\n1,"x\ny"\r\n');
});
