import type { Schemas } from '../../api/client';
import { confidence, count } from '../../view/numbers';

export type Order = Schemas['Disable'] | Schemas['Clip'] | Schemas['Enable'];

export const HOUR_S = 3_600;
/** How long a state may hold, in seconds; 0 is until somebody changes it. */
export const TERMS: readonly (readonly [number, string])[] = [
  [HOUR_S, 'for an hour'],
  [24 * HOUR_S, 'for a day'],
  [7 * 24 * HOUR_S, 'for a week'],
  [0, 'until changed'],
];

export interface Draft {
  mode: Order['mode'];
  confidence_max: number;
  /** Seconds; 0 is until changed. */
  term: number;
  reason: string;
}

/** What the server is asked for at `nowMs`. */
export function orderOf(draft: Draft, nowMs: number): Order {
  const { mode, reason } = draft;
  if (mode === 'enabled') return { mode, reason };
  const expires_at = draft.term === 0 ? null : (nowMs + draft.term * 1_000) * 1_000;
  return mode === 'disabled'
    ? { mode, reason, expires_at }
    : { mode, reason, expires_at, confidence_max: draft.confidence_max };
}

/** The order that brings back what was in force; a term that is over by then is no more. */
export function undoOf(state: Schemas['State'], nowMs: number): Order {
  const { mode, expires_at, confidence_max } = state;
  const reason = state.reason === '' ? 'undone' : state.reason;
  if (mode === 'enabled' || (expires_at !== null && expires_at <= nowMs * 1_000))
    return { mode: 'enabled', reason: 'undone' };
  return mode === 'disabled'
    ? { mode, reason, expires_at }
    : { mode, reason, expires_at, confidence_max: confidence_max ?? 1 };
}

/** What an order will change, said before it is given. */
export function forecast(draft: Draft, rule: Pick<Schemas['RuleEntry'], 'fires' | 'emits'>): string {
  const kept = `The ${count(rule.fires.total)} tags that are stored stay.`;
  const term = TERMS.find(([seconds]) => seconds === draft.term)?.[1] ?? '';
  if (draft.mode === 'enabled') return `The rule speaks as it is written from now on. ${kept}`;
  if (draft.mode === 'disabled')
    return `The rule writes no tags ${term}; it wrote ${count(rule.fires.last_day)} in the last 24 hours. ${kept}`;
  const lowered = rule.emits.filter((one) => one.confidence > draft.confidence_max).length;
  return `New tags are at most ${confidence(draft.confidence_max)} sure ${term}: that lowers ${lowered} of its ${rule.emits.length} techniques. ${kept}`;
}
