import { useParams } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { CredentialsTried, Traits, Verdicts } from '../../parts/About';
import { Addresses } from '../../parts/Addresses';
import { DecoyTimeline } from '../../parts/DecoyTimeline';
import { Observed } from '../../parts/Observed';
import { Answer } from '../../parts/States';
import { Summary } from '../../parts/Summary';
import { CampaignLink, short } from '../../parts/Who';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { Members } from './Members';

/** One identity: what it did, which addresses it is, when it was where, and what is known of it. */
export function Identity() {
  const { uuid } = useParams({ from: '/frame/identities/$uuid' });
  const identity = query.useQuery('get', '/api/v1/identities/{uuid}', { params: { path: { uuid } } });
  // the client knows pairs as lists of any length
  return <Answer of={identity}>{(data) => <Known identity={data as Schemas['IdentityDetail']} />}</Answer>;
}

function Known({ identity }: { identity: Schemas['IdentityDetail'] }) {
  return (
    <div className="stack">
      <header className="stack tight">
        <h1>
          Identity <span className="mono">{short(identity.uuid)}</span>
        </h1>
        <Summary
          facts={[
            ['Addresses', <Addresses key="" addresses={identity.addresses} of={identity.attackers} />],
            ['First seen', <When key="" us={identity.first_seen} />],
            ['Last seen', <When key="" us={identity.last_seen} />],
            ['Events', count(identity.events)],
            ['Techniques', count(identity.techniques)],
            ['Campaign', <CampaignLink key="" uuid={identity.campaign_uuid} />],
          ]}
        />
      </header>
      <Observed scope="identity" uuid={identity.uuid} />
      <DecoyTimeline whose={{ identity: identity.uuid }} />
      <Members identity={identity} />
      <div className="thirds">
        <Traits traits={identity.traits} />
        <CredentialsTried tried={identity.credentials} />
        <Verdicts verdicts={identity.verdicts} members={identity.members} />
      </div>
    </div>
  );
}
