import { useParams } from '@tanstack/react-router';
import { keepPreviousData } from '@tanstack/react-query';
import { useMemo, useState } from 'react';

import { query, type Schemas } from '../../api/client';
import { useMatrix } from '../../api/matrix';
import { Activity } from '../../parts/Activity';
import { Panel } from '../../parts/Panel';
import { Answer, Empty } from '../../parts/States';
import { exactId, TechniqueLink } from '../../parts/Technique';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { useMinute } from '../../view/useMinute';
import { useView } from '../../view/useView';
import { stretchOf } from '../overview/stretch';
import { EvidenceList } from './EvidenceList';
import { Rules } from './Rules';
import { TacticsSeen } from './TacticsSeen';
import './techniques.css';
import { place } from './place';
import { Who } from './Who';

type Seen = Schemas['Seen'];
const NOTHING: readonly Seen[] = [];

/** One technique or sub-technique: when, how, by whom, and what proves it. */
export function Technique() {
  const { id } = useParams({ from: '/frame/techniques/$id' });
  const { bounds, confidence } = useView();
  const nowMs = useMinute();
  const { data: matrix } = useMatrix();
  const [isTable, setTable] = useState(false);
  const asked = query.useQuery(
    'get',
    '/api/v1/ttp/techniques',
    { params: { query: { min_confidence: confidence, ...bounds } } },
    { placeholderData: keepPreviousData },
  );
  const all = asked.data?.items ?? NOTHING;
  const rows = useMemo(() => all.filter((row) => row.technique_id === id || row.sub_technique_id === id), [all, id]);
  const known = useMemo(() => place(matrix, id), [matrix, id]);
  const activity = query.useQuery(
    'get',
    '/api/v1/ttp/activity',
    { params: { query: { min_confidence: confidence, technique: id, ...stretchOf(bounds, rows, nowMs) } } },
    { placeholderData: keepPreviousData },
  );
  if (!/^T\d{4}(\.\d{3})?$/.test(id)) return <Empty>This is no id of a technique; one looks like T1059.004.</Empty>;
  const name = known.name || rows.find((row) => exactId(row) === id)?.name;
  return (
    <div className="stack technique" key={id}>
      <header className="technique-head">
        <h1>
          {id} {name}
        </h1>
        {known.parent && (
          <p>
            <span className="dim">part of </span>
            <TechniqueLink id={known.parent.id} name={known.parent.name} />
          </p>
        )}
        <Totals rows={rows} isKnown={asked.data !== undefined} />
        <a className="push" href={mitre(id)} target="_blank" rel="noreferrer">
          attack.mitre.org ↗
        </a>
      </header>
      <div className="technique-top">
        <Panel
          title="Over time"
          actions={
            <button type="button" className="button small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
              Table
            </button>
          }
        >
          <Answer of={activity} rows={6}>
            {(data) => <Activity activity={data} isTable={isTable} height={140} />}
          </Answer>
        </Panel>
        <TacticsSeen id={id} rows={rows} known={known} />
        <Rules id={id} />
        <Who id={id} />
      </div>
      <EvidenceList id={id} />
    </div>
  );
}

/** MITRE's page: `T1059.004` lies at `T1059/004`. */
function mitre(id: string): string {
  return `https://attack.mitre.org/techniques/${id.replace('.', '/')}/`;
}

function Totals({ rows, isKnown }: { rows: readonly Seen[]; isKnown: boolean }) {
  if (!isKnown) return null;
  if (rows.length === 0) return <p className="dim">not seen with these filters</p>;
  const first = Math.min(...rows.map((row) => row.first_seen));
  const last = Math.max(...rows.map((row) => row.last_seen));
  return (
    <p className="dim">
      <b>{count(rows.reduce((sum, row) => sum + row.count, 0))}</b> tags, first <When us={first} />, last{' '}
      <When us={last} />
    </p>
  );
}
