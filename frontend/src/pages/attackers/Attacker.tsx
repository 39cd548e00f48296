import { useParams } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { Traits, Verdicts } from '../../parts/About';
import { DecoyTimeline } from '../../parts/DecoyTimeline';
import { Hostile } from '../../parts/Hostile';
import { Observed } from '../../parts/Observed';
import { Answer } from '../../parts/States';
import { Summary } from '../../parts/Summary';
import { When } from '../../parts/When';
import { CampaignLink, IdentityLink } from '../../parts/Who';
import { confidence, count } from '../../view/numbers';

/** One source address: what it did, when it was where, and what is known of it. */
export function Attacker() {
  const { uuid } = useParams({ from: '/frame/attackers/$uuid' });
  const attacker = query.useQuery('get', '/api/v1/attackers/{uuid}', { params: { path: { uuid } } });
  // the client knows pairs as lists of any length
  return <Answer of={attacker}>{(data) => <Known attacker={data as Schemas['AttackerDetail']} />}</Answer>;
}

function Known({ attacker }: { attacker: Schemas['AttackerDetail'] }) {
  return (
    <div className="stack">
      <header className="stack tight">
        <h1>
          Attacker <Hostile line text={attacker.address} />
        </h1>
        <Summary
          facts={[
            ['Identity', <IdentityLink key="" uuid={attacker.identity_uuid} />],
            ['Campaign', <CampaignLink key="" uuid={attacker.campaign_uuid} />],
            ['First seen', <When key="" us={attacker.first_seen} />],
            ['Last seen', <When key="" us={attacker.last_seen} />],
            ['Sessions', count(attacker.sessions)],
            ['Events', count(attacker.events)],
            ['Techniques', count(attacker.techniques)],
            ...(attacker.intel_bump > 0
              ? [['Called malicious', `shown confidences + ${confidence(attacker.intel_bump)}`] as const]
              : []),
          ]}
        />
      </header>
      <Observed scope="attacker" uuid={attacker.uuid} />
      <DecoyTimeline whose={{ attacker: attacker.uuid }} />
      <div className="thirds">
        <Traits traits={attacker.traits} />
        <Verdicts verdicts={attacker.verdicts} />
      </div>
    </div>
  );
}
