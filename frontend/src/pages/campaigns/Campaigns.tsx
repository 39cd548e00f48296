import { useNavigate, useSearch } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { PAGES } from '../../api/pages';
import { ActorFilters } from '../../parts/ActorFilters';
import { Addresses } from '../../parts/Addresses';
import { Rows } from '../../parts/Rows';
import { Empty } from '../../parts/States';
import type { Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { CampaignLink } from '../../parts/Who';
import type { ActorSearch } from '../../view/filters';
import { count } from '../../view/numbers';
import { useChange } from '../../view/useChange';
import { useView } from '../../view/useView';

type Campaign = Schemas['Campaign'];

const COLUMNS: readonly Column<Campaign>[] = [
  { name: 'Campaign', width: '92px', value: (row) => row.uuid, cell: (row) => <CampaignLink uuid={row.uuid} /> },
  {
    name: 'Addresses',
    width: 'minmax(160px, 3fr)',
    value: (row) => row.addresses.join(' '),
    cell: (row) => <Addresses addresses={row.addresses} of={row.attackers} />,
  },
  number('Identities', (row) => row.identities),
  number('Attackers', (row) => row.attackers),
  number('Techniques', (row) => row.techniques),
  number('Tags', (row) => row.tags),
  {
    name: 'Joined by',
    width: 'minmax(110px, 1fr)',
    value: (row) => row.joined_by.join(' '),
    cell: (row) => <span className="dim">{row.joined_by.map((kind) => kind.replace('_', '-')).join(', ')}</span>,
  },
  { name: 'First seen', width: '160px', value: (row) => row.first_seen, cell: (row) => <When us={row.first_seen} /> },
  { name: 'Last seen', width: '160px', value: (row) => row.last_seen, cell: (row) => <When us={row.last_seen} /> },
];

function number(name: string, value: (row: Campaign) => number): Column<Campaign> {
  return { name, width: '88px', isNumber: true, value, cell: (row) => count(value(row)) };
}

/** Identities that work hand in hand, the last seen first; whoever works alone is a campaign of one. */
export function Campaigns() {
  const { bounds } = useView();
  const search: ActorSearch = useSearch({ strict: false });
  const { sort, technique } = search;
  const change = useChange<ActorSearch>();
  const navigate = useNavigate();
  const campaigns = query.useInfiniteQuery(
    'get',
    '/api/v1/campaigns',
    { params: { query: { ...bounds, ...(sort && { sort }), ...(technique && { technique }) } } },
    PAGES,
  );
  return (
    <div className="stack">
      <h1>Campaigns</h1>
      <Rows
        title="Campaigns"
        of={campaigns}
        columns={COLUMNS}
        keyOf={(row) => row.uuid}
        open={(row) => void navigate({ to: '/campaigns/$uuid', params: { uuid: row.uuid } })}
        filters={<ActorFilters search={search} change={change} />}
        empty={
          <Empty run="decnet serve --json /path/to/cowrie.json">
            {technique === undefined
              ? 'No campaign was seen in this stretch of time. They come from what sensors record:'
              : `No campaign was seen with ${technique} in this stretch of time. More may come from what sensors record:`}
          </Empty>
        }
      />
    </div>
  );
}
