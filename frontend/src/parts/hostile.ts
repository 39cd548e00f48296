/** Text that attackers sent, made fit to look at. */

/** As much is shown before somebody asks for all. */
export const MOST_SHOWN = 2_000;

export interface Piece {
  text: string;
  /** A sign stands for a character that cannot be seen or that would rearrange what is seen. */
  isSign: boolean;
  /** Within a stretch that a rule matched. */
  isMatch: boolean;
}

/** A stretch of the text in characters of the text as sent (code points), the end not included. */
export interface Stretch {
  start: number;
  end: number;
}

const PICTURES = 0x2400;
const DELETE = 0x7f;
/** Zero-width and direction-changing characters, tags, private use and lone surrogates: never drawn as they are. */
const UNSEEN =
  /\p{Cf}|\p{Zl}|\p{Zp}|\p{Co}|\p{Cs}|\p{Cn}|[\u0080-\u009f]|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u3164|\uffa0/u;
const SHOWN_AS_IS = '\n\t';

/** The visible sign for a character, or null for one that may be drawn. Controls get their pictures (U+2400). */
export function signOf(character: string): string | null {
  const code = character.codePointAt(0) ?? 0;
  if (SHOWN_AS_IS.includes(character)) return null;
  if (code < 0x20) return String.fromCodePoint(PICTURES + code);
  if (code === DELETE) return '\u2421';
  return UNSEEN.test(character) ? `\u27e8${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9` : null;
}

/** `text` in pieces of one kind each, in order; stretches that lie outside of it are passed over. */
export function pieces(text: string, stretches: readonly Stretch[] = []): Piece[] {
  const found: Piece[] = [];
  let last: Piece | undefined;
  let at = 0;
  for (const character of text) {
    const place = at++;
    const sign = signOf(character);
    const isMatch = stretches.some(({ start, end }) => start <= place && place < end);
    if (last?.isSign === (sign !== null) && last.isMatch === isMatch) last.text += sign ?? character;
    else {
      last = { text: sign ?? character, isSign: sign !== null, isMatch };
      found.push(last);
    }
  }
  return found;
}

const encoder = new TextEncoder();

/** A stretch that is told in bytes of UTF-8, as evidence tells it, in characters of `text`. */
export function stretchOfBytes(text: string, start: number, end: number): Stretch {
  const found = { start: 0, end: 0 };
  let bytes = 0;
  let at = 0;
  for (const character of text) {
    if (bytes <= start) found.start = at;
    if (bytes < end) found.end = at + 1;
    else break;
    bytes += encoder.encode(character).length;
    at += 1;
  }
  return start >= bytes ? { start: 0, end: 0 } : found;
}

/** The first `most` characters, and how many more there are. No character is cut in two. */
export function cut(text: string, most: number): { shown: string; more: number } {
  if (text.length <= most) return { shown: text, more: 0 };
  const end = isHighSurrogate(text.charCodeAt(most - 1)) ? most - 1 : most;
  return { shown: text.slice(0, end), more: text.length - end };
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
