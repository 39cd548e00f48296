import { Link } from '@tanstack/react-router';
import { keepPreviousData } from '@tanstack/react-query';
import { memo, useState } from 'react';

import { query } from '../../api/client';
import { useNames } from '../../api/matrix';
import { useNews } from '../../live/useNews';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer } from '../../parts/States';
import { exactId, TagChip } from '../../parts/Technique';
import { count } from '../../view/numbers';
import { usePreferences } from '../../view/preferences';
import { clock, day, moment } from '../../view/time';
import { useMinute } from '../../view/useMinute';
import { newest, type NewTag, type Wanted } from './newest';

const MOST_ROWS = 40;

/** Tags as they come in. The list rests while somebody points at it or walks through it. */
export const NewestTags = memo(function NewestTags({ wanted }: { wanted: Wanted }) {
  const { confidence, since, until, decoy, kind } = wanted;
  const asked = query.useQuery(
    'get',
    '/api/v1/ttp/tags',
    {
      params: {
        query: {
          min_confidence: confidence,
          limit: MOST_ROWS,
          ...(since !== undefined && { since }),
          ...(until !== undefined && { until }),
          ...(decoy !== undefined && { decoy }),
          ...(kind !== undefined && { source_kind: kind }),
        },
      },
    },
    { placeholderData: keepPreviousData },
  );
  const { tags: live } = useNews();
  const names = useNames();
  const current = newest(live, asked.data?.items ?? [], wanted, MOST_ROWS);
  const [rested, setRested] = useState<readonly NewTag[] | null>(null);
  const waiting = rested === null ? 0 : newer(current, rested);
  const rest = () => setRested((already) => already ?? current);
  const go = () => setRested(null);
  return (
    <Panel
      title="Newest tags"
      flush
      actions={
        rested !== null && <span className="badge">{waiting > 0 ? `resting, ${count(waiting)} newer` : 'resting'}</span>
      }
    >
      <Answer of={asked} rows={8}>
        {() => (
          <ol
            className="lines overview-list newest"
            aria-label="Newest tags"
            tabIndex={0}
            onPointerEnter={rest}
            onPointerLeave={go}
            onFocus={rest}
            onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && go()}
          >
            {(rested ?? current).map((tag) => (
              <Row key={tag.uuid} tag={tag} name={names.of(exactId(tag))} />
            ))}
            {current.length === 0 && <li className="dim">None with these filters.</li>}
          </ol>
        )}
      </Answer>
    </Panel>
  );
});

function newer(current: readonly NewTag[], rested: readonly NewTag[]): number {
  const known = new Set(rested.map(({ uuid }) => uuid));
  return current.filter(({ uuid }) => !known.has(uuid)).length;
}

const Row = memo(
  function Row({ tag, name }: { tag: NewTag; name: string }) {
    return (
      <li>
        <Seconds us={tag.observed_at} />
        <TagChip tag={tag} name={name} />
        <Who tag={tag} />
      </li>
    );
  },
  (one, other) => one.tag.uuid === other.tag.uuid && one.name === other.name && isSame(one.tag, other.tag),
);

/** Of a tag, whose it is may change. */
function isSame(one: NewTag, other: NewTag): boolean {
  return one.identity_uuid === other.identity_uuid && one.confidence === other.confidence;
}

function Who({ tag }: { tag: NewTag }) {
  const shown = tag.address === null ? <span className="dim">identity</span> : <Hostile text={tag.address} line />;
  if (tag.identity_uuid === null) return shown;
  return (
    <Link to="/identities/$uuid" params={{ uuid: tag.identity_uuid }}>
      {shown}
    </Link>
  );
}

/** The time of day; of another day, the day. */
function Seconds({ us }: { us: number }) {
  const { zone } = usePreferences();
  const today = day(useMinute() * 1000, zone);
  return (
    <time dateTime={new Date(us / 1000).toISOString()} title={moment(us, zone)} className="dim">
      {day(us, zone) === today ? clock(us, zone) : day(us, zone)}
    </time>
  );
}
