import { expect, test } from 'vitest';

import { eventOf } from './eventOf';
import { goal } from './goal';

test('a command that was found leads to its place in its session', () => {
  expect(goal({ kind: 'command', id: 'e', title: 'id', session_uuid: 's' })).toEqual({
    to: '/sessions/$uuid',
    params: { uuid: 's' },
    search: { event: 'e' },
  });
});

test('a rule leads to the catalogue with it open', () => {
  expect(goal({ kind: 'rule', id: 'R0012', title: 'x' })).toEqual({ to: '/rules', search: { rule: 'R0012' } });
});

test('a tag on an event names it, one on a finding does not', () => {
  const id = '01a2060c4ecba07f968ae1f1e36c83d2';
  expect(eventOf({ source_id: id, evidence: {} })).toBe('01a2060c-4ecb-a07f-968a-e1f1e36c83d2');
  expect(eventOf({ source_id: id, evidence: { finding: 'login:x' } })).toBeNull();
  expect(eventOf({ source_id: '../secret', evidence: {} })).toBeNull();
});
