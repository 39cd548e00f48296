import { keepPreviousData } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

import { query, type Schemas } from '../../api/client';
import { useMatrix } from '../../api/matrix';
import { Confidence } from '../../parts/Confidence';
import { Panel } from '../../parts/Panel';
import { Answer, Empty } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { exactId, TechniqueLink } from '../../parts/Technique';
import { TextFilter } from '../../parts/TextFilter';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { useChange } from '../../view/useChange';
import { useView } from '../../view/useView';
import type { TechniquesSearch } from './search';
import './techniques.css';

type Seen = Schemas['Seen'];

const COLUMNS: readonly Column<Seen>[] = [
  { name: 'tactic', width: 'minmax(110px, 1.2fr)', cell: (row) => row.tactic_name || row.tactic, value: nameOfTactic },
  {
    name: 'technique',
    width: 'minmax(180px, 3fr)',
    cell: (row) => <TechniqueLink id={exactId(row)} name={row.name} />,
    value: (row) => `${exactId(row)} ${row.name}`,
  },
  { name: 'tags', width: '84px', cell: (row) => count(row.count), value: (row) => row.count, isNumber: true },
  {
    name: 'highest confidence',
    width: '150px',
    cell: (row) => <Confidence value={row.max_confidence} />,
    value: (row) => row.max_confidence,
  },
  { name: 'first seen', width: '172px', cell: (row) => <When us={row.first_seen} />, value: (row) => row.first_seen },
  { name: 'last seen', width: '172px', cell: (row) => <When us={row.last_seen} />, value: (row) => row.last_seen },
];

function nameOfTactic(row: Seen): string {
  return row.tactic_name || row.tactic;
}

/** Every technique that was seen. */
export function Techniques() {
  const { bounds, confidence } = useView();
  const search: TechniquesSearch = useSearch({ strict: false });
  const navigate = useNavigate();
  const { data: matrix } = useMatrix();
  const wanted = { ...(search.tactic && { tactic: search.tactic }), ...(search.text && { text: search.text }) };
  const asked = query.useQuery(
    'get',
    '/api/v1/ttp/techniques',
    { params: { query: { min_confidence: confidence, ...bounds, ...wanted } } },
    { placeholderData: keepPreviousData },
  );
  const change = useChange<TechniquesSearch>();
  const filter = useCallback((text: string) => change({ text: text || undefined }), [change]);
  const rows = asked.data?.items ?? [];
  return (
    <div className="stack techniques">
      <h1>Techniques</h1>
      <Panel
        title={asked.data ? `${count(rows.length)} seen` : 'Seen'}
        flush
        actions={
          <>
            <TextFilter label="Filter techniques" text={search.text ?? ''} onText={filter} hasKey />
            <select
              className="select"
              aria-label="Tactic"
              value={search.tactic ?? ''}
              onChange={(event) => change({ tactic: event.target.value || undefined })}
            >
              <option value="">Any tactic</option>
              {matrix?.tactics.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
            <SaveCsv columns={COLUMNS} rows={rows} name="techniques" />
          </>
        }
      >
        <Answer of={asked} rows={16}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty run="decnet serve /path/to/cowrie.json">
                No technique was seen with these filters. Widen the stretch of time, lower the confidence, or show a
                log:
              </Empty>
            ) : (
              <Table
                label="Techniques"
                columns={COLUMNS}
                rows={items}
                keyOf={(row) => `${row.attack_release} ${row.tactic} ${exactId(row)}`}
                open={(row) => void navigate({ to: '/techniques/$id', params: { id: exactId(row) } })}
                isSortable
                height="calc(100vh - 190px)"
              />
            )
          }
        </Answer>
      </Panel>
    </div>
  );
}
