import { useNavigate, useSearch } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { PAGES } from '../../api/pages';
import { ActorFilters } from '../../parts/ActorFilters';
import { Addresses } from '../../parts/Addresses';
import { kindInWords } from '../../parts/joined';
import { Rows } from '../../parts/Rows';
import { Empty } from '../../parts/States';
import type { Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { CampaignLink, IdentityLink } from '../../parts/Who';
import { count } from '../../view/numbers';
import type { ActorSearch } from '../../view/filters';
import { useChange } from '../../view/useChange';
import { useView } from '../../view/useView';

type Identity = Schemas['Identity'];

const COLUMNS: readonly Column<Identity>[] = [
  { name: 'Identity', width: '92px', value: (row) => row.uuid, cell: (row) => <IdentityLink uuid={row.uuid} /> },
  {
    name: 'Addresses',
    width: 'minmax(160px, 3fr)',
    value: (row) => row.addresses.join(' '),
    cell: (row) => <Addresses addresses={row.addresses} of={row.attackers} />,
  },
  number('Attackers', (row) => row.attackers),
  number('Techniques', (row) => row.techniques),
  number('Tags', (row) => row.tags),
  number('Events', (row) => row.events),
  {
    name: 'Joined by',
    width: 'minmax(100px, 2fr)',
    value: (row) => row.joined_by.join(' '),
    cell: (row) => <span className="dim">{row.joined_by.map(kindInWords).join(', ')}</span>,
  },
  {
    name: 'Campaign',
    width: '92px',
    value: (row) => row.campaign_uuid,
    cell: (row) => <CampaignLink uuid={row.campaign_uuid} />,
  },
  { name: 'Last seen', width: '160px', value: (row) => row.last_seen, cell: (row) => <When us={row.last_seen} /> },
];

function number(name: string, value: (row: Identity) => number): Column<Identity> {
  return { name, width: '88px', isNumber: true, value, cell: (row) => count(value(row)) };
}

/** Who is behind the addresses: everybody who was seen, the last seen first. */
export function Identities() {
  const { bounds } = useView();
  const search: ActorSearch = useSearch({ strict: false });
  const { sort, technique } = search;
  const change = useChange<ActorSearch>();
  const navigate = useNavigate();
  const identities = query.useInfiniteQuery(
    'get',
    '/api/v1/identities',
    { params: { query: { ...bounds, ...(sort && { sort }), ...(technique && { technique }) } } },
    PAGES,
  );
  return (
    <div className="stack">
      <h1>Identities</h1>
      <Rows
        title="Identities"
        of={identities}
        columns={COLUMNS}
        keyOf={(row) => row.uuid}
        open={(row) => void navigate({ to: '/identities/$uuid', params: { uuid: row.uuid } })}
        filters={<ActorFilters search={search} change={change} />}
        empty={
          <Empty run="decnet serve --json /path/to/cowrie.json">
            {technique === undefined
              ? 'Nobody was seen in this stretch of time. Identities come from what sensors record:'
              : `Nobody was seen with ${technique} in this stretch of time. More may come from what sensors record:`}
          </Empty>
        }
      />
    </div>
  );
}
