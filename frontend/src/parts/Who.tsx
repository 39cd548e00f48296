import { Link } from '@tanstack/react-router';

import { Hostile } from './Hostile';

const SHORT = 8;

/** The first characters of a uuid: enough to tell a few dozen apart. */
export function short(uuid: string): string {
  return uuid.slice(0, SHORT);
}

/** An identity, leading to its page. */
export function IdentityLink({ uuid }: { uuid: string }) {
  return (
    <Link to="/identities/$uuid" params={{ uuid }} className="mono">
      {short(uuid)}
    </Link>
  );
}

/** A campaign, leading to its page. */
export function CampaignLink({ uuid }: { uuid: string }) {
  return (
    <Link to="/campaigns/$uuid" params={{ uuid }} className="mono">
      {short(uuid)}
    </Link>
  );
}

/** An attacker by its address, leading to its page. */
export function AttackerLink({ uuid, address }: { uuid: string; address: string }) {
  return (
    <Link to="/attackers/$uuid" params={{ uuid }}>
      <Hostile line text={address} />
    </Link>
  );
}

/** A session, leading to its replay. */
export function SessionLink({ uuid, event, text }: { uuid: string; event?: string; text?: string }) {
  return (
    <Link to="/sessions/$uuid" params={{ uuid }} search={event === undefined ? {} : { event }} className="mono">
      {text ?? short(uuid)}
    </Link>
  );
}
