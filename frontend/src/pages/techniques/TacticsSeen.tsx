import { Link } from '@tanstack/react-router';

import type { Schemas } from '../../api/client';
import { Confidence } from '../../parts/Confidence';
import { Panel } from '../../parts/Panel';
import { count } from '../../view/numbers';
import type { Known } from './place';

interface Props {
  id: string;
  rows: readonly Schemas['Seen'][];
  known: Known;
}

/** Under which tactics it stands and was seen, and its sub-techniques. */
export function TacticsSeen({ id, rows, known }: Props) {
  const names = new Map([
    ...rows.map((row): [string, string] => [row.tactic, row.tactic_name || row.tactic]),
    ...known.tactics.map((tactic): [string, string] => [tactic.id, tactic.name]),
  ]);
  const own = rows.filter((row) => row.sub_technique_id === null);
  return (
    <Panel title={known.subs.length > 0 ? 'Tactics and sub-techniques' : 'Tactics'} flush>
      <ul className="lines technique-list counted">
        {[...names].map(([tactic, name]) => (
          <Line
            key={tactic}
            rows={rows.filter((row) => row.tactic === tactic)}
            name={
              <Link to="/techniques" search={{ tactic }}>
                {name}
              </Link>
            }
          />
        ))}
        {known.subs.length > 0 && own.length > 0 && <Line rows={own} name={<span className="dim">{id} itself</span>} />}
        {known.subs.map((sub) => (
          <Line
            key={sub.id}
            rows={rows.filter((row) => row.sub_technique_id === sub.id)}
            name={
              <Link to="/techniques/$id" params={{ id: sub.id }}>
                <b>{sub.id.slice(sub.id.indexOf('.'))}</b> {sub.name}
              </Link>
            }
          />
        ))}
      </ul>
    </Panel>
  );
}

function Line({ name, rows }: { name: React.ReactNode; rows: readonly Schemas['Seen'][] }) {
  const sum = rows.reduce((all, row) => all + row.count, 0);
  return (
    <li data-seen={sum > 0}>
      <span>{name}</span>
      <span className="number">{sum > 0 ? count(sum) : '–'}</span>
      {sum > 0 ? <Confidence value={Math.max(...rows.map((row) => row.max_confidence))} /> : <span />}
    </li>
  );
}
