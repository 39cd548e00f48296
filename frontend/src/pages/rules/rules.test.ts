import { describe, expect, test } from 'vitest';

import type { Schemas } from '../../api/client';
import { forecast, orderOf, undoOf, type Draft } from './orders';
import { pickedRules, rulesSearch } from './search';

const NOW_MS = 1_795_397_799_000;
const STATE: Schemas['State'] = {
  mode: 'enabled',
  confidence_max: null,
  expires_at: null,
  reason: '',
  set_by: '',
  set_at: 0,
};
const RULE: Schemas['RuleEntry'] = {
  rule_id: 'R0012',
  rule_version: 5,
  name: 'ingress_tool_transfer',
  description: 'A transfer.',
  maturity: 'stable',
  applies_to: ['command'],
  phase: 'event',
  attack_release: 'enterprise-19.2',
  emits: [
    { tactic: 'TA0011', technique_id: 'T1105', sub_technique_id: null, name: 'Ingress Tool Transfer', confidence: 0.9 },
    { tactic: 'TA0002', technique_id: 'T1059', sub_technique_id: 'T1059.004', name: 'Unix Shell', confidence: 0.4 },
  ],
  waits_for: [],
  state: STATE,
  fires: { last_day: 3, total: 214, first_seen: 1, last_seen: 2 },
  measured: null,
};
const draft = (part: Partial<Draft>): Draft => ({
  mode: 'disabled',
  confidence_max: 0.5,
  term: 3600,
  reason: 'noisy',
  ...part,
});

describe('orders', () => {
  test('a rule is silent for an hour', () =>
    expect(orderOf(draft({}), NOW_MS)).toEqual({
      mode: 'disabled',
      reason: 'noisy',
      expires_at: (NOW_MS + 3_600_000) * 1000,
    }));
  test('until changed has no end', () =>
    expect(orderOf(draft({ term: 0 }), NOW_MS)).toMatchObject({ expires_at: null }));
  test('what was in force comes back', () => {
    const clipped: Schemas['State'] = { ...STATE, mode: 'clipped', confidence_max: 0.3, reason: 'weak' };
    expect(undoOf(clipped, NOW_MS)).toEqual({ mode: 'clipped', confidence_max: 0.3, expires_at: null, reason: 'weak' });
  });
  test('what is over by now does not come back', () =>
    expect(undoOf({ ...STATE, mode: 'disabled', expires_at: 1 }, NOW_MS).mode).toBe('enabled'));
  test('what it lowers is counted', () => {
    const said = forecast(draft({ mode: 'clipped' }), RULE);
    expect(said).toContain('lowers 1 of its 2 techniques');
    expect(said).toContain('The 214 tags that are stored stay.');
  });
});

describe('the filtered catalogue', () => {
  test.each([
    [{ text: 't1059.004' }, 1],
    [{ text: 'unix shell' }, 1],
    [{ text: 'R0012' }, 1],
    [{ text: 'mail' }, 0],
    [{ mode: 'disabled' as const }, 0],
    [{ maturity: 'stable' as const }, 1],
  ])('%j keeps %i', (search, kept) => expect(pickedRules([RULE], search)).toHaveLength(kept));

  test('an address that makes no sense filters nothing', () =>
    expect(rulesSearch({ mode: 'loud', maturity: 1, rule: 'R1/../../x', text: {} })).toEqual({}));
});
