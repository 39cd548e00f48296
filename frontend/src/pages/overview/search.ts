/** What the overview's address says beyond the frame's part. */
import { useSearch } from '@tanstack/react-router';

import { useChange, type Change } from '../../view/useChange';

export const COLOURS = ['count', 'confidence'] as const;
export type Colour = (typeof COLOURS)[number];

export interface OverviewSearch {
  decoy?: string;
  /** Source kind: `command`, `auth_attempt`, … */
  kind?: string;
  /** What the colour of a cell means; counts where nothing is said. */
  colour?: Colour;
  /** Techniques that were not seen are left out. */
  unseen?: 'hidden';
  /** Part of an id or a name. */
  text?: string;
  /** Cells whose sub-techniques are shown: `TA0002/T1059,TA0003/T1098`. */
  open?: string;
}

const KIND = /^[a-z][a-z_]{0,39}$/;
const CELLS = /^(TA\d{4}\/T\d{4},?){1,40}$/;
const MOST_DECOY = 255;
const MOST_TEXT = 200;

/** What does not make sense is left out. Numbers are text that looked like a number. */
export function overviewSearch(raw: Record<string, unknown>): OverviewSearch {
  const found: OverviewSearch = {};
  const [decoy, text] = [words(raw['decoy'], MOST_DECOY), words(raw['text'], MOST_TEXT)];
  const { kind, colour, unseen, open } = raw;
  if (decoy !== undefined) found.decoy = decoy;
  if (typeof kind === 'string' && KIND.test(kind)) found.kind = kind;
  if (colour === 'confidence') found.colour = colour;
  if (unseen === 'hidden') found.unseen = unseen;
  if (text !== undefined) found.text = text;
  if (typeof open === 'string' && CELLS.test(open)) found.open = open;
  return found;
}

/** Text of an address, cut; undefined for none and for what the API refuses. */
export function words(value: unknown, most: number): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value).slice(0, most);
  return text === '' || text.includes('\0') ? undefined : text;
}

/** The overview's part of the address, and how to change it in place; `undefined` takes a part away. */
export function useOverviewSearch(): [OverviewSearch, Change<OverviewSearch>] {
  const search: OverviewSearch = useSearch({ strict: false });
  return [search, useChange<OverviewSearch>()];
}
