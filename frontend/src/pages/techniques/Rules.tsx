import { Link } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { Panel } from '../../parts/Panel';
import { Answer } from '../../parts/States';
import { confidence, count } from '../../view/numbers';

type Rule = Schemas['RuleEntry'];

/** The rules that show it, those that fired most first. */
export function Rules({ id }: { id: string }) {
  const asked = query.useQuery('get', '/api/v1/ttp/rules');
  return (
    <Panel title="Rules" flush>
      <Answer of={asked} rows={5}>
        {(rules) => {
          const showing = rules.filter((rule) => emits(rule, id).length > 0);
          return (
            <ul className="lines technique-list rules">
              {showing
                .toSorted((one, other) => other.fires.total - one.fires.total)
                .map((rule) => (
                  <Line
                    key={rule.rule_id}
                    rule={rule}
                    most={Math.max(...emits(rule, id).map((one) => one.confidence))}
                  />
                ))}
              {showing.length === 0 && <li className="dim">No rule shows this technique.</li>}
            </ul>
          );
        }}
      </Answer>
    </Panel>
  );
}

function emits(rule: Rule, id: string): Rule['emits'] {
  return rule.emits.filter((one) => one.technique_id === id || one.sub_technique_id === id);
}

function Line({ rule, most }: { rule: Rule; most: number }) {
  return (
    <li title={rule.description}>
      <Link to="/rules" search={{ rule: rule.rule_id }}>
        <b>{rule.rule_id}</b> {rule.name.replaceAll('_', ' ')}
      </Link>
      {rule.state.mode === 'enabled' ? <span /> : <span className="badge warn">{rule.state.mode}</span>}
      <span className="dim">{confidence(most)}</span>
      <span className="number" title={`${count(rule.fires.total)} tags of all its techniques`}>
        {count(rule.fires.total)}
      </span>
    </li>
  );
}
