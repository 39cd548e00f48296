/** What proves a tag, in one line of text. */

const FIELDS = ['matched', 'command', 'entry', 'behaviour', 'tool', 'purpose', 'field'] as const;

/** The attacker's text that matched, or whatever else names the proof; '' where nothing does. Attackers' text. */
export function proof(evidence: Record<string, unknown>): string {
  for (const name of FIELDS) {
    const value = evidence[name];
    if (typeof value === 'string' && value !== '') return value;
    if (Array.isArray(value)) return value.filter((one) => typeof one === 'string').join(' … ');
  }
  const { threshold, count } = evidence;
  if (typeof threshold === 'object' && threshold !== null) {
    return Object.entries(threshold)
      .map(([what, value]) => `${what.replace('_gte', ' ≥')} ${String(value)}`)
      .join(', ');
  }
  return typeof count === 'number' ? `${count} events` : '';
}
