import type { Schemas } from '../../api/client';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { When } from '../../parts/When';
import { IdentityLink, SessionLink } from '../../parts/Who';
import { length } from '../../view/time';

/** Who handed over to whom, on which decoy, in which sessions. */
export function HandOffs({ handOffs }: { handOffs: readonly Schemas['HandOff'][] }) {
  return (
    <Panel flush title="Hand-offs">
      {handOffs.length === 0 ? (
        <p className="empty">No visit was taken over from another: they are joined by what they share.</p>
      ) : (
        <ul className="hand-offs">
          {handOffs.map((one) => (
            <li key={`${one.session_uuid} ${one.taker_uuid}`}>
              <When us={one.left_at} />
              <span>
                <IdentityLink uuid={one.giver_uuid} /> → <IdentityLink uuid={one.taker_uuid} /> on{' '}
                <Hostile line text={one.decoy} />
                {one.taken_at !== null && <span className="dim">, {length(one.taken_at - one.left_at)} later</span>}
              </span>
              <span className="dim">
                <SessionLink uuid={one.session_uuid} text="left in" />
                {one.taker_session_uuid !== null && (
                  <>
                    {' · '}
                    <SessionLink uuid={one.taker_session_uuid} text="taken up in" />
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
