import { useMemo } from 'react';

import type { Schemas } from '../../api/client';
import { bondsOf, listed, sameInWords } from '../../parts/joined';
import { Panel } from '../../parts/Panel';
import { When } from '../../parts/When';
import { AttackerLink } from '../../parts/Who';
import { confidence, count } from '../../view/numbers';
import './members.css';

const MOST_NAMED = 3;
const MOST_BONDS = 3;

/** The attackers of an identity, each with what it shares with the others. */
export function Members({ identity }: { identity: Schemas['IdentityDetail'] }) {
  const { members } = identity;
  const bonds = useMemo(() => bondsOf(members), [members]);
  const addresses = new Map(members.map(({ uuid, address }) => [uuid, address]));
  return (
    <Panel
      flush
      title={
        members.length === 1
          ? 'One address'
          : `${count(identity.attackers)} addresses taken for one${members.length < identity.attackers ? `, the ${members.length} last seen` : ''}`
      }
    >
      <table className="members">
        <thead>
          <tr>
            <th>Address</th>
            <th>Why it belongs here</th>
            <th className="number">Events</th>
            <th>First seen</th>
            <th>Last seen</th>
          </tr>
        </thead>
        <tbody>
          {members.map((member) => {
            const own = bonds.filter((bond) => bond.uuids.includes(member.uuid));
            return (
              <tr key={member.uuid}>
                <td>
                  <AttackerLink uuid={member.uuid} address={member.address} />
                </td>
                <td>
                  {own.length === 0 && <span className="dim">Nothing but itself.</span>}
                  <ul>
                    {own.slice(0, MOST_BONDS).map((bond) => {
                      const others = bond.uuids.filter((uuid) => uuid !== member.uuid);
                      const named = others.slice(0, MOST_NAMED).map((uuid) => addresses.get(uuid) ?? '');
                      const more = others.length - named.length;
                      return (
                        <li key={bond.reason}>
                          {sameInWords(bond.kinds)}
                          {others.length > 0 && (
                            <>
                              {' as '}
                              <bdi>{listed(more > 0 ? [...named, `${more} more`] : named)}</bdi>
                            </>
                          )}{' '}
                          <span className="dim">weight {confidence(bond.weight)}</span>
                        </li>
                      );
                    })}
                    {own.length > MOST_BONDS && <li className="dim">and {own.length - MOST_BONDS} more reasons</li>}
                  </ul>
                </td>
                <td className="number">{count(member.events)}</td>
                <td>
                  <When us={member.first_seen} />
                </td>
                <td>
                  <When us={member.last_seen} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Panel>
  );
}
