import { useNavigate, useSearch } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { PAGES } from '../../api/pages';
import { ActorFilters } from '../../parts/ActorFilters';
import { Rows } from '../../parts/Rows';
import { Empty } from '../../parts/States';
import type { Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { AttackerLink, CampaignLink, IdentityLink } from '../../parts/Who';
import type { ActorSearch } from '../../view/filters';
import { count } from '../../view/numbers';
import { useChange } from '../../view/useChange';
import { useView } from '../../view/useView';

type Attacker = Schemas['Attacker'];

const COLUMNS: readonly Column<Attacker>[] = [
  {
    name: 'Address',
    width: 'minmax(140px, 2fr)',
    value: (row) => row.address,
    cell: (row) => <AttackerLink uuid={row.uuid} address={row.address} />,
  },
  number('Techniques', (row) => row.techniques),
  number('Tags', (row) => row.tags),
  number('Events', (row) => row.events),
  {
    name: 'Called malicious',
    width: 'minmax(110px, 1fr)',
    value: (row) => row.intel_bump,
    cell: (row) => (row.intel_bump > 0 ? <span className="badge fault">by several providers</span> : ''),
  },
  {
    name: 'Identity',
    width: '92px',
    value: (row) => row.identity_uuid,
    cell: (row) => <IdentityLink uuid={row.identity_uuid} />,
  },
  {
    name: 'Campaign',
    width: '92px',
    value: (row) => row.campaign_uuid,
    cell: (row) => <CampaignLink uuid={row.campaign_uuid} />,
  },
  { name: 'First seen', width: '160px', value: (row) => row.first_seen, cell: (row) => <When us={row.first_seen} /> },
  { name: 'Last seen', width: '160px', value: (row) => row.last_seen, cell: (row) => <When us={row.last_seen} /> },
];

function number(name: string, value: (row: Attacker) => number): Column<Attacker> {
  return { name, width: '92px', isNumber: true, value, cell: (row) => count(value(row)) };
}

/** Every address that came by, the last seen first. */
export function Attackers() {
  const { bounds } = useView();
  const search: ActorSearch = useSearch({ strict: false });
  const { sort, technique, address } = search;
  const change = useChange<ActorSearch>();
  const navigate = useNavigate();
  const attackers = query.useInfiniteQuery(
    'get',
    '/api/v1/attackers',
    {
      params: {
        query: { ...bounds, ...(sort && { sort }), ...(technique && { technique }), ...(address && { address }) },
      },
    },
    PAGES,
  );
  const isNarrow = technique !== undefined || address !== undefined;
  return (
    <div className="stack">
      <h1>Attackers</h1>
      <Rows
        title="Attackers"
        of={attackers}
        columns={COLUMNS}
        keyOf={(row) => row.uuid}
        open={(row) => void navigate({ to: '/attackers/$uuid', params: { uuid: row.uuid } })}
        filters={<ActorFilters search={search} change={change} hasAddress />}
        empty={
          <Empty run="decnet serve --json /path/to/cowrie.json">
            {isNarrow
              ? 'No attacker is like that in this stretch of time. More may come from what sensors record:'
              : 'No attacker was seen in this stretch of time. They come from what sensors record:'}
          </Empty>
        }
      />
    </div>
  );
}
