/** Which stretch of time a picture of activity asks for. */
import type { Bounds } from '../../view/search';

interface Stretch extends Bounds {
  bucket?: 'hour' | 'day';
}

const US_PER_HOUR = 3_600_000_000;
const US_PER_DAY = 24 * US_PER_HOUR;
const HOURS_KEPT_US = 14 * US_PER_DAY;
const MOST_HOURS_US = 3 * US_PER_DAY;

/**
 * What the address says, up to now; without bounds, from what was seen first to what was seen last, so that a short
 * recording is not one bar among thirty empty days.
 */
export function stretchOf(
  bounds: Bounds,
  seen: readonly { first_seen: number; last_seen: number }[],
  nowMs: number,
): Stretch {
  if (bounds.since !== undefined) return { ...bounds, until: bounds.until ?? nowMs * 1000 };
  const last = seen.reduce((most, row) => Math.max(most, row.last_seen), 0);
  if (last === 0 || bounds.until !== undefined) return bounds;
  const first = seen.reduce((least, row) => Math.min(least, row.first_seen), last);
  const until = Math.ceil((last + 1) / US_PER_HOUR) * US_PER_HOUR;
  if (until - first > MOST_HOURS_US || first < nowMs * 1000 - HOURS_KEPT_US)
    return { since: startOfDay(first, until), until };
  return { since: Math.min(Math.floor(first / US_PER_HOUR) * US_PER_HOUR, until - US_PER_DAY), until, bucket: 'hour' };
}

/** A week at least, and no more than the API draws by the day. */
function startOfDay(first: number, until: number): number {
  const day = Math.floor(first / US_PER_DAY) * US_PER_DAY;
  return Math.max(Math.min(day, until - 7 * US_PER_DAY), until - 400 * US_PER_DAY, 0);
}
