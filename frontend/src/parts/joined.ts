/** Why somebody is taken for one with others, in words. */

/** What a kind of evidence says, as it follows on "the same …". */
const KINDS: Record<string, string> = {
  hassh: 'SSH client (HASSH)',
  ja3: 'TLS client (JA3)',
  ja4: 'TLS client (JA4)',
  browser: 'browser',
  payload: 'file',
  endpoint: 'place that files come from',
  script: 'commands',
  credentials: 'passwords',
  network: 'network',
};
const CAMPAIGN_KINDS: Record<string, string> = {
  hand_off: 'one left something on a decoy, the other took it up within a day',
  payload: 'both bring the same file, or fetch from the same place',
  overlap: 'they are at work in the same hours',
  cohort: 'both were first seen on the same day',
};

/** `hassh` as `SSH client (HASSH)`; a kind that is not known stays as it is. */
export function kindInWords(kind: string): string {
  return KINDS[kind] ?? kind.replaceAll('_', ' ');
}

/** `the same file and SSH client (HASSH)`. */
export function sameInWords(kinds: readonly string[]): string {
  return `the same ${listed(kinds.map(kindInWords))}`;
}

/** What joins two identities of a campaign. */
export function campaignKindInWords(kind: string): string {
  return CAMPAIGN_KINDS[kind] ?? kind.replaceAll('_', ' ');
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}

export interface Reasoned {
  uuid: string;
  reasons: readonly { weight: number; kinds: readonly string[]; reason: string }[];
}

export interface Bond {
  reason: string;
  kinds: readonly string[];
  weight: number;
  /** Who shares it, in the order of the members. */
  uuids: readonly string[];
}

/** What members share, the strongest and most widely shared first. */
export function bondsOf(members: readonly Reasoned[]): Bond[] {
  const found = new Map<string, { reason: string; kinds: readonly string[]; weight: number; uuids: string[] }>();
  for (const { uuid, reasons } of members) {
    for (const { reason, kinds, weight } of reasons) {
      const bond = found.get(reason) ?? { reason, kinds, weight, uuids: [] };
      bond.uuids.push(uuid);
      bond.weight = Math.max(bond.weight, weight);
      found.set(reason, bond);
    }
  }
  return [...found.values()].toSorted(
    (one, other) => other.weight - one.weight || other.uuids.length - one.uuids.length,
  );
}
