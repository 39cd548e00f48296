import type { Schemas } from '../../api/client';

type Entry = Schemas['RuleEntry'];

export const MODES = ['enabled', 'clipped', 'disabled'] as const;
export const MATURITIES = ['stable', 'incubating', 'sandbox', 'deprecated'] as const;

/** What the address of the catalogue may say. */
export interface RulesSearch {
  text?: string;
  mode?: (typeof MODES)[number];
  maturity?: (typeof MATURITIES)[number];
  /** The rule that lies open. */
  rule?: string;
}

const RULE = /^R\d{4,6}$/;

export function rulesSearch(raw: Record<string, unknown>): RulesSearch {
  const { text, mode, maturity, rule } = raw;
  return {
    ...((typeof text === 'string' || typeof text === 'number') && { text: String(text).slice(0, 100) }),
    ...(isOneOf(MODES, mode) && { mode }),
    ...(isOneOf(MATURITIES, maturity) && { maturity }),
    ...(typeof rule === 'string' && RULE.test(rule) && { rule }),
  };
}

function isOneOf<T extends string>(choices: readonly T[], value: unknown): value is T {
  return (choices as readonly unknown[]).includes(value);
}

/** The techniques that a rule shows, each once. */
export function shown(rule: Entry): string[] {
  return [...new Set(rule.emits.map((one) => one.sub_technique_id ?? one.technique_id))];
}

export function pickedRules(rules: readonly Entry[], { text = '', mode, maturity }: RulesSearch): Entry[] {
  const wanted = text.trim().toLowerCase();
  return rules.filter(
    (rule) =>
      (mode === undefined || rule.state.mode === mode) &&
      (maturity === undefined || rule.maturity === maturity) &&
      (wanted === '' || words(rule).includes(wanted)),
  );
}

function words(rule: Entry): string {
  const emits = rule.emits.flatMap((one) => [one.technique_id, one.sub_technique_id ?? '', one.name, one.tactic]);
  return [rule.rule_id, rule.name, rule.description, ...emits].join(' ').toLowerCase();
}
