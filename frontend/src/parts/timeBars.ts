/** Counts per stretch of time, as stacked bars need them. */

export interface Series {
  id: string;
  name: string;
  colour: string;
  /** One per stretch, in order. */
  values: readonly number[];
}

export interface Bars {
  /** When each stretch begins, seconds since 1970; without gaps. */
  starts: readonly number[];
  length_s: number;
  /** The lowest of the stack first; without those that have nothing. */
  series: readonly Series[];
}

export interface Counted {
  /** µs UTC. */
  started_at: number;
  tactic: string;
  count: number;
}

export interface Kind {
  id: string;
  name: string;
  colour: string;
}

const LENGTHS_S = { hour: 3_600, day: 86_400 } as const;
const US_PER_S = 1_000_000;

/** Stretches from `since` to `until` (µs UTC), those without anything included, by `kinds`. */
export function bars(
  answer: { since: number; until: number; bucket: keyof typeof LENGTHS_S; items: readonly Counted[] },
  kinds: readonly Kind[],
): Bars {
  const length_s = LENGTHS_S[answer.bucket];
  const first = Math.floor(answer.since / US_PER_S / length_s);
  const count = Math.max(1, Math.ceil(answer.until / US_PER_S / length_s) - first);
  const starts = Array.from({ length: count }, (_, index) => (first + index) * length_s);
  const values = new Map(kinds.map((kind) => [kind.id, new Array<number>(count).fill(0)]));
  for (const item of answer.items) {
    const row = values.get(item.tactic);
    const at = Math.floor(item.started_at / US_PER_S / length_s) - first;
    if (row?.[at] !== undefined) row[at] += item.count;
  }
  const series = kinds.map((kind) => ({ ...kind, values: values.get(kind.id) ?? [] }));
  return { starts, length_s, series: series.filter((one) => total(one.values) > 0) };
}

export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Heights of the tops, the highest first: each bar is drawn from the ground, over those behind it. */
export function stacked(series: readonly Series[], length: number): number[][] {
  const tops: number[][] = [];
  let below = new Array<number>(length).fill(0);
  for (const { values } of series) {
    below = below.map((height, index) => height + (values[index] ?? 0));
    tops.unshift(below);
  }
  return tops;
}

/** The stretch in which `at_s` lies; null outside of all. */
export function stretchAt({ starts, length_s }: Bars, at_s: number): number | null {
  const index = Math.floor((at_s - (starts[0] ?? 0)) / length_s);
  return index >= 0 && index < starts.length ? index : null;
}
