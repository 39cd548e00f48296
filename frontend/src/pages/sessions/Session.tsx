import { Link, useParams, useSearch } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { useNames } from '../../api/matrix';
import { eventOf } from '../../frame/eventOf';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer } from '../../parts/States';
import { Summary } from '../../parts/Summary';
import { exactId, TagChip } from '../../parts/Technique';
import { When } from '../../parts/When';
import { AttackerLink, IdentityLink } from '../../parts/Who';
import type { ReplaySearch } from '../../view/filters';
import { count } from '../../view/numbers';
import { length } from '../../view/time';
import { Replay } from './Replay';

/** One session: what they typed, and what it means. */
export function Session() {
  const { uuid } = useParams({ from: '/frame/sessions/$uuid' });
  const search: ReplaySearch = useSearch({ strict: false });
  const session = query.useQuery('get', '/api/v1/sessions/{uuid}', { params: { path: { uuid } } });
  return (
    <Answer of={session}>
      {(data) => (
        <div className="stack">
          <Head session={data} />
          <OnTheWhole tags={data.newest_tags} />
          <Replay key={data.uuid} uuid={data.uuid} search={search} events={data.events} />
        </div>
      )}
    </Answer>
  );
}

function Head({ session }: { session: Schemas['SessionDetail'] }) {
  const { logins_failed: failed, logins_succeeded: succeeded } = session;
  return (
    <header className="stack tight">
      <h1>
        Session of <Hostile line text={session.address} /> on <Hostile line text={session.decoy} />
      </h1>
      <Summary
        facts={[
          ['Attacker', <AttackerLink key="" uuid={session.attacker_uuid} address={session.address} />],
          ['Identity', <IdentityLink key="" uuid={session.identity_uuid} />],
          ['Protocol', session.protocol],
          ['Began', <When key="" us={session.started_at} />],
          [
            'Length',
            `${length(session.last_event_at - session.started_at)}${session.ended_at === null ? ', no end was recorded' : ''}`,
          ],
          ['Log-ins', `${count(succeeded)} succeeded, ${count(failed)} failed`],
          ['Commands', count(session.commands)],
          ['Files', count(session.files)],
          ['Techniques', count(session.techniques)],
          [
            'At the sensor',
            <span key="">
              <Hostile line text={session.native_id} />
              {session.sensor !== session.decoy && (
                <>
                  {' at '}
                  <Hostile line text={session.sensor} />
                </>
              )}
            </span>,
          ],
          [
            'Others',
            <Link key="" to="/sessions" search={{ attacker: session.attacker_uuid }}>
              of this attacker
            </Link>,
          ],
        ]}
      />
    </header>
  );
}

/** Tags that no single step shows: they stand on several together. */
function OnTheWhole({ tags }: { tags: readonly Schemas['Tag'][] }) {
  const names = useNames();
  const whole = tags.filter((tag) => eventOf(tag) === null);
  if (whole.length === 0) return null;
  return (
    <Panel flush title="Shown by the session as a whole">
      <div className="session-tags">
        {whole.map((tag) => (
          <TagChip key={`${tag.observed_at}.${tag.uuid}`} tag={tag} name={names.of(exactId(tag))} />
        ))}
      </div>
    </Panel>
  );
}
