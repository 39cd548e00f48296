import { keepPreviousData } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import { query } from '../../api/client';
import { PAGES } from '../../api/pages';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer } from '../../parts/States';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { useView } from '../../view/useView';

const PAGE = 50;

/** Identities that used it, the last seen first. */
export function Who({ id }: { id: string }) {
  const { bounds } = useView();
  const asked = query.useInfiniteQuery(
    'get',
    '/api/v1/identities',
    { params: { query: { technique: id, limit: PAGE, ...bounds } } },
    {
      ...PAGES,
      placeholderData: keepPreviousData,
    },
  );
  const rows = asked.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel title="Identities" flush>
      <Answer of={asked} rows={5}>
        {() => (
          <ul className="lines technique-list who" aria-label="Identities">
            {rows.map((identity) => (
              <li key={identity.uuid}>
                <Link to="/identities/$uuid" params={{ uuid: identity.uuid }}>
                  <Hostile text={identity.addresses[0] ?? ''} line />
                  {identity.attackers > 1 && <span className="dim"> +{count(identity.attackers - 1)}</span>}
                </Link>
                <span className="dim number">
                  <When us={identity.last_seen} relative />
                </span>
              </li>
            ))}
            {rows.length === 0 && <li className="dim">Nobody in this time.</li>}
            {asked.hasNextPage && (
              <li>
                <button type="button" className="button small" onClick={() => void asked.fetchNextPage()}>
                  More
                </button>
              </li>
            )}
          </ul>
        )}
      </Answer>
    </Panel>
  );
}
