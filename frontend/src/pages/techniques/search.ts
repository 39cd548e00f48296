/** What the address of the list of techniques says beyond the frame's part. */
import { words } from '../overview/search';

export interface TechniquesSearch {
  /** Id of a tactic. */
  tactic?: string;
  /** Part of an id or a name. */
  text?: string;
}

const TACTIC = /^TA\d{4}$/;
const MOST_TEXT = 200;

/** What does not make sense is left out. */
export function techniquesSearch(raw: Record<string, unknown>): TechniquesSearch {
  const found: TechniquesSearch = {};
  const { tactic } = raw;
  const text = words(raw['text'], MOST_TEXT);
  if (typeof tactic === 'string' && TACTIC.test(tactic)) found.tactic = tactic;
  if (text !== undefined) found.text = text;
  return found;
}
