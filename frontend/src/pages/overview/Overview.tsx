import { keepPreviousData } from '@tanstack/react-query';
import { memo, useCallback, useMemo, useState } from 'react';

import { query, type Schemas } from '../../api/client';
import { useMatrix } from '../../api/matrix';
import { Activity } from '../../parts/Activity';
import { Panel } from '../../parts/Panel';
import { Answer, Empty, Fault, Skeleton } from '../../parts/States';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { useMinute } from '../../view/useMinute';
import { useView } from '../../view/useView';
import { Filters } from './Filters';
import { freshSince, layOut, picked } from './lay';
import { Legend } from './Legend';
import { Matrix } from './Matrix';
import { NewestTags } from './NewestTags';
import { NewTechniques } from './NewTechniques';
import './overview.css';
import { useOverviewSearch } from './search';
import { stretchOf } from './stretch';
import { TopIdentities } from './TopIdentities';

const US_PER_DAY = 86_400_000_000;
const NOTHING: readonly Schemas['Seen'][] = [];

/** What is happening, at one look. */
export function Overview() {
  const { bounds, confidence } = useView();
  const [search, change] = useOverviewSearch();
  const nowMs = useMinute();
  const { decoy, kind } = search;
  const narrow = useMemo(
    () => ({ ...(decoy !== undefined && { decoy }), ...(kind !== undefined && { source_kind: kind }) }),
    [decoy, kind],
  );
  const wanted = useMemo(
    () => ({ confidence, ...bounds, ...(decoy !== undefined && { decoy }), ...(kind !== undefined && { kind }) }),
    [confidence, bounds, decoy, kind],
  );
  const matrix = useMatrix();
  const seen = query.useQuery(
    'get',
    '/api/v1/ttp/techniques',
    { params: { query: { min_confidence: confidence, ...bounds, ...narrow } } },
    { placeholderData: keepPreviousData },
  );
  const ever = query.useQuery(
    'get',
    '/api/v1/ttp/techniques',
    { params: { query: { min_confidence: confidence } } },
    { placeholderData: keepPreviousData },
  );
  const rows = seen.data?.items ?? NOTHING;
  const everRows = ever.data?.items ?? NOTHING;
  const laid = useMemo(() => {
    const fresh = freshSince(everRows, nowMs * 1000 - US_PER_DAY);
    return matrix.data && layOut(matrix.data, rows, fresh);
  }, [matrix.data, rows, everRows, nowMs]);
  const columns = useMemo(() => laid && picked(laid.columns, search.text ?? ''), [laid, search.text]);
  const open = useMemo(() => new Set(search.open?.split(',')), [search.open]);
  const fold = useCallback(
    (key: string) => {
      const next = open.has(key) ? [...open].filter((one) => one !== key) : [...open, key];
      change({ open: next.filter(Boolean).join(',') || undefined });
    },
    [open, change],
  );
  const error = matrix.error ?? seen.error;
  return (
    <div className="stack overview">
      <header className="overview-head">
        <h1>Overview</h1>
        <Summary rows={rows} />
        <Filters search={search} change={change} />
      </header>
      {ever.data?.items.length === 0 && (
        <Empty run="decnet serve /path/to/cowrie.json">Nothing has been tagged yet. Show it a honeypot’s log:</Empty>
      )}
      <Panel
        title="Techniques"
        flush
        actions={laid && <Legend colour={search.colour ?? 'count'} most={laid.most} elsewhere={laid.elsewhere} />}
      >
        {laid && columns && seen.data ? (
          <Matrix
            columns={columns}
            most={laid.most}
            colour={search.colour ?? 'count'}
            open={open}
            hidesUnseen={search.unseen === 'hidden'}
            onFold={fold}
          />
        ) : error ? (
          <Fault error={error} retry={() => Promise.all([matrix.refetch(), seen.refetch()])} />
        ) : (
          <Skeleton rows={16} />
        )}
      </Panel>
      <div className="overview-below">
        <OverTime rows={rows} narrow={narrow} nowMs={nowMs} />
        <NewestTags wanted={wanted} />
        <TopIdentities bounds={bounds} />
        <NewTechniques ever={everRows} nowMs={nowMs} />
      </div>
    </div>
  );
}

/** `271 tags of 54 techniques; the newest 3 min. ago`. */
function Summary({ rows }: { rows: readonly Schemas['Seen'][] }) {
  const tags = rows.reduce((sum, row) => sum + row.count, 0);
  const techniques = new Set(rows.map((row) => row.sub_technique_id ?? row.technique_id)).size;
  const last = rows.reduce((newest, row) => Math.max(newest, row.last_seen), 0);
  if (tags === 0) return <p className="dim">No tags with these filters</p>;
  return (
    <p className="dim overview-summary">
      <b>{count(tags)}</b> tags of <b>{count(techniques)}</b> techniques, the newest{' '}
      <b>
        <When us={last} relative />
      </b>
    </p>
  );
}

interface OverTimeProps {
  rows: readonly Schemas['Seen'][];
  narrow: { decoy?: string; source_kind?: string };
  nowMs: number;
}

const OverTime = memo(function OverTime({ rows, narrow, nowMs }: OverTimeProps) {
  const { bounds, confidence } = useView();
  const [isTable, setTable] = useState(false);
  const asked = query.useQuery(
    'get',
    '/api/v1/ttp/activity',
    { params: { query: { min_confidence: confidence, ...stretchOf(bounds, rows, nowMs), ...narrow } } },
    { placeholderData: keepPreviousData },
  );
  return (
    <Panel
      title="Activity by tactic"
      actions={
        <button type="button" className="button small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
          Table
        </button>
      }
    >
      <Answer of={asked} rows={8}>
        {(activity) => <Activity activity={activity} isTable={isTable} />}
      </Answer>
    </Panel>
  );
});
