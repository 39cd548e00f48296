import { useParams } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { Addresses } from '../../parts/Addresses';
import { Observed } from '../../parts/Observed';
import { Panel } from '../../parts/Panel';
import { Answer, Empty } from '../../parts/States';
import { Summary } from '../../parts/Summary';
import { When } from '../../parts/When';
import { short } from '../../parts/Who';
import { count } from '../../view/numbers';
import { Bonds } from './Bonds';
import { HandOffs } from './HandOffs';
import { Swim } from './Swim';

/** One campaign: who did what and when, who handed over to whom, and why they belong together. */
export function Campaign() {
  const { uuid } = useParams({ from: '/frame/campaigns/$uuid' });
  const campaign = query.useQuery('get', '/api/v1/campaigns/{uuid}', { params: { path: { uuid } } });
  return <Answer of={campaign}>{(data) => <Known campaign={data} />}</Answer>;
}

function Known({ campaign }: { campaign: Schemas['CampaignDetail'] }) {
  return (
    <div className="stack">
      <header className="stack tight">
        <h1>
          Campaign <span className="mono">{short(campaign.uuid)}</span>
        </h1>
        <Summary
          facts={[
            ['Identities', count(campaign.identities)],
            ['Addresses', <Addresses key="" addresses={campaign.addresses} of={campaign.attackers} />],
            ['First seen', <When key="" us={campaign.first_seen} />],
            ['Last seen', <When key="" us={campaign.last_seen} />],
            ['Events', count(campaign.events)],
            ['Techniques', count(campaign.techniques)],
          ]}
        />
      </header>
      <Panel title="Phases over time, by identity">
        {campaign.spans.length === 0 ? <Empty>No techniques observed yet.</Empty> : <Swim campaign={campaign} />}
      </Panel>
      {campaign.identities > 1 && (
        <div className="halves">
          <HandOffs handOffs={campaign.hand_offs} />
          <Bonds members={campaign.members} />
        </div>
      )}
      <Observed scope="campaign" uuid={campaign.uuid} />
    </div>
  );
}
