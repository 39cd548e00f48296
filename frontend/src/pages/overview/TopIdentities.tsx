import { Link } from '@tanstack/react-router';
import { keepPreviousData } from '@tanstack/react-query';
import { memo } from 'react';

import { query, type Schemas } from '../../api/client';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer } from '../../parts/States';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import type { Bounds } from '../../view/search';

const MOST = 12;

/** The identities with the most techniques. */
export const TopIdentities = memo(function TopIdentities({ bounds }: { bounds: Bounds }) {
  const asked = query.useQuery(
    'get',
    '/api/v1/identities',
    { params: { query: { sort: 'techniques', limit: MOST, ...bounds } } },
    { placeholderData: keepPreviousData },
  );
  return (
    <Panel
      title="Top identities"
      flush
      actions={
        <>
          <span className="dim small">by techniques</span>
          <Link to="/identities">All</Link>
        </>
      }
    >
      <Answer of={asked} rows={6}>
        {({ items }) => (
          <ol className="lines overview-list who">
            {items.map((identity) => (
              <Row key={identity.uuid} identity={identity} />
            ))}
            {items.length === 0 && <li className="dim">None in this time.</li>}
          </ol>
        )}
      </Answer>
    </Panel>
  );
});

function Row({ identity }: { identity: Schemas['Identity'] }) {
  const [first = '', ...others] = identity.addresses;
  const more = identity.attackers - 1;
  return (
    <li>
      <Link to="/identities/$uuid" params={{ uuid: identity.uuid }}>
        <Hostile text={first} line />
        {others.length > 0 && <span className="dim"> +{count(more)}</span>}
      </Link>
      <span title={`${count(identity.techniques)} techniques, ${count(identity.tags)} tags`}>
        <b>{count(identity.techniques)}</b>
      </span>
      <span className="dim number">
        <When us={identity.last_seen} relative />
      </span>
    </li>
  );
}
