/** What proves a tag, in one line. */

interface Tagged {
  evidence: Record<string, unknown>;
}

/** The text that matched or, where no text did, what was looked at: `finding brute_force, attempts_gte 20`. */
export function quoteOf({ evidence }: Tagged): string {
  const { matched, command } = evidence;
  if (typeof matched === 'string' && matched !== '') return matched;
  if (typeof command === 'string' && command !== '') return command;
  if (Array.isArray(matched)) {
    const texts = matched.filter((one) => typeof one === 'string');
    if (texts.length > 0) return texts.join(' … ');
  }
  return Object.entries(evidence)
    .filter(([name, value]) => name !== 'terms' && value !== null && value !== '')
    .map(([name, value]) => `${name} ${said(value)}`)
    .join(', ');
}

function said(value: unknown): string {
  if (Array.isArray(value)) return value.map(said).join(' ');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([name, part]) => `${name} ${said(part)}`)
      .join(' ');
  return String(value);
}
