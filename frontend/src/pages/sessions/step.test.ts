import { describe, expect, test } from 'vitest';

import type { Schemas } from '../../api/client';
import { isNote, rawOf, stretchesOf, unfoldedOf, zeroOf } from './step';

function tag(evidence: Record<string, unknown>, source_kind = 'command'): Schemas['Tag'] {
  return {
    observed_at: 1,
    uuid: '',
    created_at: 1,
    tactic: 'TA0011',
    technique_id: 'T1105',
    sub_technique_id: null,
    attack_release: 'enterprise-19.2',
    confidence: 0.9,
    rule_id: 'R0001',
    rule_version: 1,
    source_kind,
    source_id: '',
    attacker_uuid: null,
    address: null,
    identity_uuid: '',
    session_uuid: null,
    protocol: null,
    decoy: null,
    evidence,
  };
}

describe('where rules matched', () => {
  test('bytes are told in characters', () => {
    expect(stretchesOf([tag({ start: 7, end: 9 })], 'command_text', 'echo é|id')).toEqual([{ start: 6, end: 8 }]);
  });

  test('the whole line is marked only where nothing narrower is', () => {
    const whole = tag({ start: 0, end: 9 });
    const part = tag({ start: 7, end: 9 });
    expect(stretchesOf([whole, part, part], 'command_text', 'echo a;id')).toEqual([{ start: 7, end: 9 }]);
    expect(stretchesOf([whole], 'command_text', 'echo a;id')).toEqual([{ start: 0, end: 9 }]);
  });

  test('only in the field that is meant, and only within the text', () => {
    const url = tag({ field: 'raw_url', start: 0, end: 2 }, 'http_request');
    expect(stretchesOf([url], 'body', 'abc')).toEqual([]);
    expect(stretchesOf([url], 'raw_url', 'abc')).toEqual([{ start: 0, end: 2 }]);
    expect(stretchesOf([tag({ start: 90, end: 99 }), tag({ start: 'x' })], 'command_text', 'abc')).toEqual([]);
  });
});

describe('what was unfolded', () => {
  const line = 'echo aWQ= | base64 -d | sh';

  test('each layer once, in order, and what runs where it is written otherwise', () => {
    const found = unfoldedOf(
      [
        tag({ start: 12, end: 21, matched: 'base64 -d', command: 'base64 -d', decoded: ['base64: id'] }),
        tag({ start: 0, end: 26, matched: line, command: 'id', decoded: ['base64: id', 'hex: whoami'] }),
        tag({ start: 0, end: 5, matched: "w''get", command: 'wget x' }),
      ],
      line,
    );
    expect(found).toEqual({ layers: ['base64: id', 'hex: whoami'], commands: ['wget x'] });
  });

  test('nothing for a line that is as it is written', () => {
    expect(unfoldedOf([tag({ start: 0, end: 2, matched: 'id', command: 'id' })], 'id')).toEqual({
      layers: [],
      commands: [],
    });
  });
});

test('time counts from the log-in that succeeded, else from the beginning', () => {
  const step = (observed_at: number, source_kind: string, payload = {}) => ({ observed_at, source_kind, payload });
  const failed = step(2, 'auth_attempt', { success: false });
  expect(zeroOf([step(1, 'session'), failed, step(3, 'auth_attempt', { success: true })])).toBe(3);
  expect(zeroOf([step(1, 'session'), failed])).toBe(1);
  expect(zeroOf([])).toBe(0);
});

test('copying gives what was sent', () => {
  expect(rawOf({ payload: { command_text: 'a\u0007b' } })).toBe('a\u0007b');
  expect(rawOf({ payload: { action: 'x', size_bytes: 3 } })).toBe('{"action":"x","size_bytes":3}');
});

test('what a rule took for something is no mere note', () => {
  const payload = { action: 'params' };
  expect(isNote({ source_kind: 'session', payload, tags: [] })).toBe(true);
  expect(isNote({ source_kind: 'session', payload, tags: [tag({})] })).toBe(false);
  expect(isNote({ source_kind: 'command', payload, tags: [] })).toBe(false);
});
