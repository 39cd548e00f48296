const whole = new Intl.NumberFormat('en-US');
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const MOST_WHOLE = 10_000;

/** `12,345`. */
export function count(value: number): string {
  return whole.format(value);
}

/** `9,999`, then `12.3K`: for narrow places; the whole number belongs into a title. */
export function shortCount(value: number): string {
  return value < MOST_WHOLE ? whole.format(value) : short.format(value);
}

/** A confidence as the API's two digits: `0.85`. */
export function confidence(value: number): string {
  return value.toFixed(2);
}
