/** Where times stand on a line from left to right. */

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((step) => step * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MINUTE),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
  ...[1, 2, 7, 14, 28, 91, 182, 365].map((step) => step * DAY),
];
const MARGIN = 0.015;

export interface Scale {
  since: number;
  until: number;
  /** Where a time stands, in percent of the width. */
  at: (us: number) => number;
  /** Round moments, a step apart. */
  ticks: readonly number[];
  step: number;
}

/** A scale over all of `moments` (µs), with a little room on both sides and at most `most` ticks. */
export function scaleOver(moments: readonly number[], most = 8): Scale {
  let [first, last] = [Infinity, -Infinity];
  for (const moment of moments) {
    first = Math.min(first, moment);
    last = Math.max(last, moment);
  }
  if (first > last) [first, last] = [0, SECOND];
  const room = Math.max((last - first) * MARGIN, SECOND / 2);
  const [since, until] = [first - room, last + room];
  const step = STEPS.find((one) => (until - since) / one <= most) ?? STEPS.at(-1) ?? DAY;
  const ticks: number[] = [];
  for (let tick = Math.ceil(since / step) * step; tick <= until && ticks.length <= 2 * most; tick += step)
    ticks.push(tick);
  return { since, until, step, ticks, at: (us) => ((us - since) / (until - since)) * 100 };
}

/** Whether ticks are days, so that their hour needs not be told. */
export function isByDays(scale: Scale): boolean {
  return scale.step >= DAY;
}
