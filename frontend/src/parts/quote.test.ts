import { expect, test } from 'vitest';

import { quoteOf } from './quote';

test('what matched is quoted', () => {
  expect(quoteOf({ evidence: { matched: 'wget x', start: 0, end: 6, terms: ['t'] } })).toBe('wget x');
  expect(quoteOf({ evidence: { matched: ['id', 'w'], count: 2 } })).toBe('id … w');
});

test('where nothing was matched it says what was looked at, and not by which terms', () => {
  const evidence = { finding: 'guessing', threshold: { attempts_gte: 20 }, basis: ['a', 'b'], terms: ['t'] };
  expect(quoteOf({ evidence })).toBe('finding guessing, threshold attempts_gte 20, basis a b');
  expect(quoteOf({ evidence: {} })).toBe('');
});
