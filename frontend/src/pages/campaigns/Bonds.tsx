import type { Schemas } from '../../api/client';
import { Hostile } from '../../parts/Hostile';
import { bondsOf, campaignKindInWords } from '../../parts/joined';
import { Panel } from '../../parts/Panel';
import { IdentityLink } from '../../parts/Who';
import { confidence } from '../../view/numbers';

const PAYLOAD = 'payload:';
const MOST = 50;

/** What the identities of a campaign share, other than single hand-offs. */
export function Bonds({ members }: { members: readonly Schemas['CampaignMember'][] }) {
  const bonds = bondsOf(members);
  const shared = bonds.filter(({ reason }) => reason.startsWith(PAYLOAD)).slice(0, MOST);
  const kinds = [...new Set(bonds.flatMap((bond) => bond.kinds))];
  return (
    <Panel title="Why they belong together">
      <ul className="bonds">
        {kinds.map((kind) => (
          <li key={kind}>
            <span className="badge">{kind.replace('_', '-')}</span> {campaignKindInWords(kind)}
          </li>
        ))}
        {shared.map((bond) => (
          <li key={bond.reason}>
            <Hostile text={bond.reason.slice(PAYLOAD.length)} />{' '}
            <span className="dim">weight {confidence(bond.weight)}, shared by</span>{' '}
            {bond.uuids.map((uuid, index) => (
              <span key={uuid}>
                {index > 0 && ', '}
                <IdentityLink uuid={uuid} />
              </span>
            ))}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
