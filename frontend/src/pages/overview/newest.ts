/** The newest tags: those that the API listed and those that came since, without doubles. */
import type { LiveTag } from '../../live/stream';

/** What both have. */
export type NewTag = Pick<
  LiveTag,
  | 'observed_at'
  | 'uuid'
  | 'technique_id'
  | 'sub_technique_id'
  | 'confidence'
  | 'address'
  | 'decoy'
  | 'identity_uuid'
  | 'source_kind'
  | 'tactic'
  | 'rule_id'
>;

export interface Wanted {
  confidence: number;
  since?: number;
  until?: number;
  decoy?: string;
  kind?: string;
}

export function isWanted(tag: NewTag, wanted: Wanted): boolean {
  return (
    tag.confidence >= wanted.confidence &&
    (wanted.since === undefined || tag.observed_at >= wanted.since) &&
    (wanted.until === undefined || tag.observed_at < wanted.until) &&
    (wanted.decoy === undefined || tag.decoy === wanted.decoy) &&
    (wanted.kind === undefined || tag.source_kind === wanted.kind)
  );
}

/** The `most` newest of both, by when they were observed. */
export function newest(live: readonly NewTag[], listed: readonly NewTag[], wanted: Wanted, most: number): NewTag[] {
  const found = new Map<string, NewTag>();
  for (const tag of [...listed, ...live.filter((one) => isWanted(one, wanted))]) found.set(tag.uuid, tag);
  return [...found.values()]
    .toSorted((one, other) => other.observed_at - one.observed_at || (one.uuid < other.uuid ? 1 : -1))
    .slice(0, most);
}
