import { useQueryClient } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';

import { query, type Schemas } from '../../api/client';
import { Fault } from '../../parts/States';
import { confidence } from '../../view/numbers';
import { forecast, HOUR_S, orderOf, TERMS, undoOf, type Draft, type Order } from './orders';

const START: Draft = { mode: 'disabled', confidence_max: 0.5, term: HOUR_S, reason: '' };
const MODES: Record<Draft['mode'], string> = { disabled: 'Disable', clipped: 'Clip confidence', enabled: 'Enable' };
const CEILINGS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Lets an administrator silence, clip or enable a rule: what it will change is said before, and it can be undone. */
export function StateForm({ rule }: { rule: Schemas['RuleDetails'] }) {
  const [draft, setDraft] = useState(START);
  const [before, setBefore] = useState<Schemas['State'] | null>(null);
  const client = useQueryClient();
  const path = { rule_id: rule.rule_id };
  const giving = query.useMutation('post', '/api/v1/ttp/rules/{rule_id}/state', {
    onSuccess: () =>
      client.invalidateQueries({
        predicate: ({ queryKey: [, path] }) => typeof path === 'string' && path.startsWith('/api/v1/ttp/rules'),
      }),
  });
  const give = (order: Order, kept: Schemas['State'] | null) =>
    giving.mutate({ params: { path }, body: order }, { onSuccess: () => setBefore(kept) });
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    give(orderOf(draft, Date.now()), rule.state);
  };
  return (
    <form className="rule-form stack" aria-label="State of the rule" onSubmit={send}>
      <div className="row">
        {rule.state.mode === 'enabled' ? (
          <button
            type="button"
            className="button"
            disabled={giving.isPending}
            title={forecast(START, rule)}
            onClick={() => give(orderOf({ ...START, reason: 'silenced for an hour' }, Date.now()), rule.state)}
          >
            Disable for an hour
          </button>
        ) : (
          <button
            type="button"
            className="button"
            disabled={giving.isPending}
            onClick={() => give({ mode: 'enabled', reason: 'enabled again' }, rule.state)}
          >
            Enable now
          </button>
        )}
        {before !== null && (
          <span role="status">
            Done.{' '}
            <button type="button" className="button small" onClick={() => give(undoOf(before, Date.now()), null)}>
              Undo
            </button>
          </span>
        )}
      </div>
      <details>
        <summary>Another state</summary>
        <div className="stack tight">
          <div className="row">
            <label className="field">
              State
              <select value={draft.mode} onChange={(event) => change({ mode: event.target.value as Draft['mode'] })}>
                {Object.entries(MODES).map(([mode, name]) => (
                  <option key={mode} value={mode}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            {draft.mode === 'clipped' && (
              <label className="field">
                At most
                <select
                  value={draft.confidence_max}
                  onChange={(event) => change({ confidence_max: Number(event.target.value) })}
                >
                  {CEILINGS.map((ceiling) => (
                    <option key={ceiling} value={ceiling}>
                      {confidence(ceiling)}
                    </option>
                  ))}
                </select>
              </label>
            )}
            {draft.mode !== 'enabled' && (
              <label className="field">
                How long
                <select value={draft.term} onChange={(event) => change({ term: Number(event.target.value) })}>
                  {TERMS.map(([seconds, name]) => (
                    <option key={seconds} value={seconds}>
                      {name}
                    </option>
                  ))}
                </select>
              </label>
            )}
          </div>
          <label className="field">
            Reason
            <input
              value={draft.reason}
              maxLength={200}
              required
              onChange={(event) => change({ reason: event.target.value })}
            />
          </label>
          <p className="dim">{forecast(draft, rule)}</p>
          <button type="submit" className="button main" disabled={giving.isPending}>
            {MODES[draft.mode]}
          </button>
        </div>
      </details>
      {giving.error && <Fault error={giving.error} />}
    </form>
  );
}
