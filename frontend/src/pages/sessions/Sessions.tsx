import { useNavigate, useSearch } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { PAGES } from '../../api/pages';
import { Hostile } from '../../parts/Hostile';
import { Rows } from '../../parts/Rows';
import { Empty } from '../../parts/States';
import type { Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { AttackerLink, SessionLink } from '../../parts/Who';
import type { SessionSearch } from '../../view/filters';
import { count } from '../../view/numbers';
import { length } from '../../view/time';
import { useChange } from '../../view/useChange';
import { useView } from '../../view/useView';
import { SessionFilters } from './SessionFilters';

type Session = Schemas['Session'];

const COLUMNS: readonly Column<Session>[] = [
  { name: 'Session', width: '92px', value: (row) => row.uuid, cell: (row) => <SessionLink uuid={row.uuid} /> },
  { name: 'Began', width: '160px', value: (row) => row.started_at, cell: (row) => <When us={row.started_at} /> },
  {
    name: 'Length',
    width: '92px',
    isNumber: true,
    value: (row) => row.last_event_at - row.started_at,
    cell: (row) => length(row.last_event_at - row.started_at),
  },
  {
    name: 'Attacker',
    width: 'minmax(130px, 1.4fr)',
    value: (row) => row.address,
    cell: (row) => <AttackerLink uuid={row.attacker_uuid} address={row.address} />,
  },
  {
    name: 'Decoy',
    width: 'minmax(100px, 1.4fr)',
    value: (row) => row.decoy,
    cell: (row) => <Hostile line text={row.decoy} />,
  },
  { name: 'Protocol', width: '76px', value: (row) => row.protocol, cell: (row) => row.protocol },
  {
    name: 'Logged in',
    width: '96px',
    value: (row) => row.logins_succeeded,
    cell: (row) =>
      row.logins_succeeded > 0 ? (
        <span className="badge warn">yes</span>
      ) : (
        <span className="dim">{row.logins_failed > 0 ? `${count(row.logins_failed)} failed` : 'no'}</span>
      ),
  },
  number('Commands', (row) => row.commands),
  number('Files', (row) => row.files),
  number('Techniques', (row) => row.techniques),
  number('Tags', (row) => row.tags),
];

function number(name: string, value: (row: Session) => number): Column<Session> {
  return { name, width: '84px', isNumber: true, value, cell: (row) => count(value(row)) };
}

/** Every connection of an attacker to a decoy, the last begun first. */
export function Sessions() {
  const { bounds } = useView();
  const search: SessionSearch = useSearch({ strict: false });
  const { attacker, identity, decoy, protocol, commands } = search;
  const change = useChange<SessionSearch>();
  const navigate = useNavigate();
  const sessions = query.useInfiniteQuery(
    'get',
    '/api/v1/sessions',
    {
      params: {
        query: {
          ...bounds,
          ...(attacker && { attacker }),
          ...(identity && { identity }),
          ...(decoy && { decoy }),
          ...(protocol && { protocol }),
          ...(commands && { min_commands: commands }),
          ...(search.in !== undefined && { logged_in: search.in }),
        },
      },
    },
    PAGES,
  );
  const isNarrow = [attacker, identity, decoy, protocol, commands, search.in].some((one) => one !== undefined);
  return (
    <div className="stack">
      <h1>Sessions</h1>
      <Rows
        title="Sessions"
        of={sessions}
        columns={COLUMNS}
        keyOf={(row) => row.uuid}
        open={(row) => void navigate({ to: '/sessions/$uuid', params: { uuid: row.uuid } })}
        filters={<SessionFilters search={search} change={change} />}
        empty={
          <Empty run="decnet serve --json /path/to/cowrie.json">
            {isNarrow
              ? 'No session is like that in this stretch of time. More may come from what sensors record:'
              : 'No session began in this stretch of time. They come from what sensors record:'}
          </Empty>
        }
      />
    </div>
  );
}
