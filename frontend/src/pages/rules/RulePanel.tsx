import { query, type Schemas } from '../../api/client';
import { useIsAdmin } from '../../frame/useMe';
import { Confidence } from '../../parts/Confidence';
import { Hostile } from '../../parts/Hostile';
import { Answer } from '../../parts/States';
import { exactId, TechniqueLink } from '../../parts/Technique';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { StateBadge } from './StateBadge';
import { StateForm } from './StateForm';

/** One rule: what it shows, whether it may speak, its examples, its text. */
export function RulePanel({ ruleId, onClose }: { ruleId: string; onClose: () => void }) {
  const rule = query.useQuery('get', '/api/v1/ttp/rules/{rule_id}', { params: { path: { rule_id: ruleId } } });
  return (
    <aside
      className="rule-panel panel"
      aria-label={`Rule ${ruleId}`}
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
    >
      <header>
        <h2>
          {ruleId} {rule.data?.name}
        </h2>
        <button type="button" className="button quiet push" aria-label="Close the rule" onClick={onClose}>
          ✕
        </button>
      </header>
      <div className="body stack">
        <Answer of={rule} rows={12}>
          {(data) => <Details rule={data} />}
        </Answer>
      </div>
    </aside>
  );
}

function Details({ rule }: { rule: Schemas['RuleDetails'] }) {
  const isAdmin = useIsAdmin();
  return (
    <>
      <p>{rule.description}</p>
      <ul>
        {rule.emits.map((one) => (
          <li key={`${one.tactic} ${exactId(one)}`} className="row">
            <TechniqueLink id={exactId(one)} name={one.name} />
            <span className="push">
              <Confidence value={one.confidence} />
            </span>
          </li>
        ))}
      </ul>
      <dl className="facts">
        <dt>State</dt>
        <dd>
          <StateBadge state={rule.state} /> <StateStory state={rule.state} />
        </dd>
        <dt>Reads</dt>
        <dd>
          {rule.applies_to.join(', ')}
          {rule.phase === 'session_end' && ', when a session has ended'}
        </dd>
        <dt>Fired</dt>
        <dd>
          {count(rule.fires.last_day)} in 24 h, {count(rule.fires.total)} in all
          {rule.fires.last_seen !== null && (
            <>
              , last <When us={rule.fires.last_seen} />
            </>
          )}
        </dd>
        <dt>Measured</dt>
        <dd>{measure(rule.measured)}</dd>
        <dt>Release</dt>
        <dd>{rule.attack_release}</dd>
        {rule.waits_for.length > 0 && (
          <>
            <dt>Waits for</dt>
            <dd>{rule.waits_for.join(', ')}</dd>
          </>
        )}
      </dl>
      {isAdmin && <StateForm rule={rule} />}
      <Lines title="Misread" lines={rule.false_positives} />
      <Lines title="Missed" lines={rule.known_gaps} />
      <Cases cases={rule.cases} />
      <History ruleId={rule.rule_id} />
      <details>
        <summary>
          Text: <span className="mono">{rule.file}</span>, version {rule.rule_version}, {rule.maturity}
        </summary>
        <pre className="code">{rule.text}</pre>
      </details>
    </>
  );
}

function measure(measured: Schemas['Measured'] | null): string {
  if (measured === null) return 'not on labelled data: it is not one of those that ship';
  const labelled = `right on ${measured.right} of ${measured.labelled} labelled lines`;
  return `${labelled}, fired on ${measured.false_alarms} of ${count(measured.ordinary)} ordinary ones`;
}

function StateStory({ state }: { state: Schemas['State'] }) {
  if (state.set_at === 0) return null;
  return (
    <span className="dim">
      by {state.set_by}, <When us={state.set_at} relative />
      {state.expires_at !== null && (
        <>
          , until <When us={state.expires_at} />
        </>
      )}
      {state.reason !== '' && (
        <>
          : <Hostile text={state.reason} />
        </>
      )}
    </span>
  );
}

function Lines({ title, lines }: { title: string; lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className="reasons">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  );
}

function Cases({ cases }: { cases: readonly Schemas['Case'][] }) {
  const failed = cases.filter((one) => !one.passed && !one.waits).length;
  return (
    <details open={failed > 0}>
      <summary>
        {cases.length} examples, {failed === 0 ? 'all as expected' : `${failed} not as expected`}
      </summary>
      <ul className="rule-cases">
        {cases.map((one) => (
          <li key={one.name}>
            <span className={one.waits ? 'badge' : one.passed ? 'badge good' : 'badge fault'}>
              {one.waits ? 'waits' : one.passed ? 'holds' : 'fails'}
            </span>
            <span>
              {one.description} <span className="dim">{one.expect.length > 0 ? one.expect.join(', ') : 'nothing'}</span>
              {!one.passed && !one.waits && (
                <span>
                  , got {one.got.length > 0 ? one.got.join(', ') : 'nothing'} {one.problem}
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function History({ ruleId }: { ruleId: string }) {
  const history = query.useQuery('get', '/api/v1/ttp/rules/{rule_id}/history', {
    params: { path: { rule_id: ruleId }, query: { limit: 20 } },
  });
  if (!history.data || history.data.items.length === 0) return null;
  return (
    <details>
      <summary>Changes of state</summary>
      <ul className="rule-history">
        {history.data.items.map((state) => (
          <li key={state.set_at}>
            <When us={state.set_at} /> <StateBadge state={state} /> {state.set_by}
            {state.reason !== '' && (
              <>
                : <Hostile text={state.reason} />
              </>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
