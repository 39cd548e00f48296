import { expect, test } from 'vitest';

import { proof } from './proof';

test.each([
  [{ matched: 'rm -rf .s', command: 'rm -rf .s' }, 'rm -rf .s'],
  [{ matched: ['enable', 'echo hi'], count: 2 }, 'enable … echo hi'],
  [{ table: 'data/default_credentials.yaml', entry: 'root root' }, 'root root'],
  [{ behaviour: 'brute_force', threshold: { failures_gte: 3 } }, 'brute_force'],
  [{ finding: 'roll:spraying', threshold: { accounts_gte: 3 } }, 'accounts ≥ 3'],
  [{ matched: 7 }, ''],
])('%j is told by what proves it', (evidence, text) => {
  expect(proof(evidence)).toBe(text);
});
