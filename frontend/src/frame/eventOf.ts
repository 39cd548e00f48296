import type { Schemas } from '../api/client';

const DIGITS = /^[0-9a-f]{32}$/;

/** The event that a tag is on, or null for one on a finding: what only several events show. */
export function eventOf(tag: Pick<Schemas['Tag'], 'source_id' | 'evidence'>): string | null {
  const { source_id: id, evidence } = tag;
  if (!DIGITS.test(id) || typeof evidence['finding'] === 'string') return null;
  return [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join('-');
}
