import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';

import { query, type Schemas } from '../api/client';
import { PAGES } from '../api/pages';
import { count } from '../view/numbers';
import { usePreferences } from '../view/preferences';
import { length, moment } from '../view/time';
import { useView } from '../view/useView';
import { Axis } from './Axis';
import './decoy-timeline.css';
import { Hostile } from './Hostile';
import { lanesOf, rowsOf } from './lanes';
import { Panel } from './Panel';
import { Answer, Empty } from './States';
import { scaleOver } from './timescale';

type Session = Schemas['Session'];

const AT_ONCE = 500;
const MOST_ROWS = 5;
const ROW_PX = 11;

/** When somebody was on which decoy: a lane per decoy, a bar per session, which leads to its replay. */
export function DecoyTimeline({ whose }: { whose: { identity: string } | { attacker: string } }) {
  const { bounds } = useView();
  const sessions = query.useInfiniteQuery(
    'get',
    '/api/v1/sessions',
    { params: { query: { ...whose, ...bounds, limit: AT_ONCE } } },
    PAGES,
  );
  const found = useMemo(() => sessions.data?.pages.flatMap((page) => page.items) ?? [], [sessions.data]);
  return (
    <Panel
      title={`Sessions over time${found.length > 0 ? `, ${count(found.length)}${sessions.hasNextPage ? ' newest' : ''}` : ''}`}
      actions={
        <>
          {sessions.hasNextPage && (
            <button type="button" className="button small" onClick={() => void sessions.fetchNextPage()}>
              Older ones
            </button>
          )}
          <Link className="button small" to="/sessions" search={whose}>
            As a list
          </Link>
        </>
      }
    >
      <Answer of={sessions} rows={3}>
        {() => (found.length === 0 ? <Empty>No sessions in this stretch of time.</Empty> : <Lanes sessions={found} />)}
      </Answer>
    </Panel>
  );
}

function Lanes({ sessions }: { sessions: readonly Session[] }) {
  const lanes = useMemo(() => lanesOf(sessions), [sessions]);
  const scale = useMemo(
    () => scaleOver(sessions.flatMap((session) => [session.started_at, session.last_event_at])),
    [sessions],
  );
  const { zone } = usePreferences();
  return (
    <div className="decoys">
      <span />
      <Axis scale={scale} />
      {lanes.map((lane) => {
        const rows = rowsOf(lane.sessions, MOST_ROWS);
        return (
          <section key={lane.decoy} className="contents" aria-label={`Decoy ${lane.sessions.length} sessions`}>
            <span className="decoy">
              <Hostile line text={lane.decoy} />
            </span>
            <div className="lane" style={{ height: (Math.max(...rows) + 1) * ROW_PX + 5 }}>
              {scale.ticks.map((tick) => (
                <i key={tick} className="tick" style={{ left: `${scale.at(tick)}%` }} />
              ))}
              {lane.sessions.map((session, index) => (
                <Link
                  key={session.uuid}
                  to="/sessions/$uuid"
                  params={{ uuid: session.uuid }}
                  aria-label={inWords(session, moment(session.started_at, zone))}
                  title={inWords(session, moment(session.started_at, zone))}
                  data-tagged={session.tags > 0}
                  style={{
                    left: `${scale.at(session.started_at)}%`,
                    width: `${scale.at(session.last_event_at) - scale.at(session.started_at)}%`,
                    top: (rows[index] ?? 0) * ROW_PX + 3,
                  }}
                />
              ))}
            </div>
          </section>
        );
      })}
    </div>
  );
}

/** For titles, which hold our own words and numbers only. */
function inWords(session: Session, began: string): string {
  return `${began}, ${session.protocol}, ${length(session.last_event_at - session.started_at)}, ${count(session.commands)} commands, ${count(session.tags)} tags`;
}
