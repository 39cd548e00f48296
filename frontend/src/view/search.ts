/** What every page's address may say: which stretch of time, how sure, which tag lies open. */

export const RANGES = { '1h': 3_600, '24h': 86_400, '7d': 7 * 86_400, '30d': 30 * 86_400, '90d': 90 * 86_400 } as const;
export type Range = keyof typeof RANGES | 'all';

/** Below this a tag is a guess; the API's own default. */
export const DEFAULT_CONFIDENCE = 0.6;

export interface FrameSearch {
  /** Stretch of time up to now; `since` and `until` win over it. */
  range?: Range;
  /** µs UTC. */
  since?: number;
  /** µs UTC. */
  until?: number;
  /** Confidence floor, 0 to 1. */
  conf?: number;
  /** The tag in the drawer: `OBSERVED_AT.UUID`. */
  tag?: string;
}

const TAG = /^\d{1,17}\.[0-9a-f-]{36}$/;

/** Addresses are typed by hand and cut by mail programs: what does not make sense is left out. */
export function frameSearch(raw: Record<string, unknown>): FrameSearch {
  const found: FrameSearch = {};
  const { range, since, until, conf, tag } = raw;
  if (typeof range === 'string' && (range === 'all' || range in RANGES)) found.range = range as Range;
  if (isMicros(since)) found.since = since;
  if (isMicros(until)) found.until = until;
  if (typeof conf === 'number' && conf >= 0 && conf <= 1) found.conf = conf;
  if (typeof tag === 'string' && TAG.test(tag)) found.tag = tag;
  return found;
}

function isMicros(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** What lists and sums are asked with. */
export interface Bounds {
  since?: number;
  until?: number;
}

const MINUTE_S = 60;

/** The stretch of time that `search` means at `nowMs`; whole minutes, so that the same question is asked twice. */
export function boundsOf(search: FrameSearch, nowMs: number): Bounds {
  if (search.since !== undefined || search.until !== undefined) {
    return {
      ...(search.since !== undefined && { since: search.since }),
      ...(search.until !== undefined && { until: search.until }),
    };
  }
  if (search.range === undefined || search.range === 'all') return {};
  const minute = Math.floor(nowMs / 1000 / MINUTE_S) * MINUTE_S;
  return { since: (minute - RANGES[search.range]) * 1_000_000 };
}
