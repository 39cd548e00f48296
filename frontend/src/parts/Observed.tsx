import { useSearch } from '@tanstack/react-router';

import { query } from '../api/client';
import type { OpenSearch } from '../view/filters';
import { count } from '../view/numbers';
import { useChange } from '../view/useChange';
import { useView } from '../view/useView';
import { Exports } from './Exports';
import { Panel } from './Panel';
import { Answer } from './States';
import { TechniqueTree } from './TechniqueTree';

interface Props {
  scope: 'attacker' | 'identity' | 'campaign';
  uuid: string;
}

/** The techniques of somebody, which open to the lines that prove them; which are open is in the address. */
export function Observed({ scope, uuid }: Props) {
  const { bounds, confidence } = useView();
  const { open: opened }: OpenSearch = useSearch({ strict: false });
  const change = useChange<OpenSearch>();
  const asked = { params: { path: { scope, uuid }, query: { ...bounds, min_confidence: confidence } } };
  const seen = query.useQuery('get', '/api/v1/ttp/by-{scope}/{uuid}', asked);
  const activity = query.useQuery('get', '/api/v1/ttp/activity/by-{scope}/{uuid}', asked);
  const open = opened === undefined ? [] : opened.split(',');
  const total = seen.data?.items.reduce((sum, one) => sum + one.count, 0) ?? 0;
  return (
    <Panel
      flush
      title={`TTPs Observed${total > 0 ? `, ${count(total)} tags` : ''}`}
      actions={<Exports scope={scope} uuid={uuid} />}
    >
      <Answer of={seen} rows={8}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="empty">No techniques observed yet.</p>
          ) : (
            <TechniqueTree
              scope={scope}
              uuid={uuid}
              seen={items}
              activity={activity.data?.items}
              open={open}
              onOpen={(keys) => change({ open: keys.length === 0 ? undefined : keys.join(',') })}
            />
          )
        }
      </Answer>
    </Panel>
  );
}
