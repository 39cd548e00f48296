import { memo } from 'react';

import type { Schemas } from '../../api/client';
import { Panel } from '../../parts/Panel';
import { exactId, TechniqueLink } from '../../parts/Technique';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';

const US_PER_WEEK = 7 * 86_400 * 1_000_000;
const MOST = 40;

interface Props {
  /** What the fleet saw, ever. */
  ever: readonly Schemas['Seen'][];
  nowMs: number;
}

/** Techniques that nobody used here before this week, the newest first. */
export const NewTechniques = memo(function NewTechniques({ ever, nowMs }: Props) {
  const rows = ever
    .filter((row) => row.first_seen >= nowMs * 1000 - US_PER_WEEK)
    .toSorted((one, other) => other.first_seen - one.first_seen);
  return (
    <Panel title="New this week" flush actions={<span className="badge">{count(rows.length)}</span>}>
      <ol className="lines overview-list fresh">
        {rows.slice(0, MOST).map((row) => (
          <li key={`${row.tactic} ${exactId(row)}`}>
            <TechniqueLink id={exactId(row)} name={row.name} />
            <span className="dim number">
              <When us={row.first_seen} relative />
            </span>
          </li>
        ))}
        {rows.length === 0 && <li className="dim">No technique was seen for the first time.</li>}
      </ol>
    </Panel>
  );
});
