/** Colours of tactics, in the order of MITRE's matrix. */

/**
 * From violet over blue, green and yellow to red, light and dark by turns: neighbours of a stack can be told apart
 * by lightness alone, whatever colours somebody sees.
 */
export const TACTIC_COLOURS = [
  '#5d53ae',
  '#6f97e2',
  '#00649a',
  '#5ab3c8',
  '#1e7777',
  '#69c6a7',
  '#2b7440',
  '#91bb54',
  '#7e7719',
  '#e7b643',
  '#ac6820',
  '#ed835e',
  '#a8353e',
  '#dd7aa2',
  '#88358e',
] as const;

/** The colour of the tactic at a place of the matrix; more tactics than colours begin anew. */
export function tacticColour(place: number): string {
  return TACTIC_COLOURS[place % TACTIC_COLOURS.length] ?? TACTIC_COLOURS[0];
}
