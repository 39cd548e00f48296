/** Times of the API are µs since 1970, UTC. */
import type { Preferences } from './preferences';

type Zone = Preferences['zone'];
const US_PER_MS = 1000;
const SECOND_MS = 1000;
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', SECOND_MS],
];

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  const known = formats.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat('sv-SE', { ...options, ...(zone === 'utc' && { timeZone: 'UTC' }) });
  formats.set(key, made);
  return made;
}

/** `2026-11-23 14:05:09`. */
export function moment(us: number, zone: Zone): string {
  return format(zone, { dateStyle: 'short', timeStyle: 'medium' }).format(us / US_PER_MS);
}

/** `2026-11-23`. */
export function day(us: number, zone: Zone): string {
  return format(zone, { dateStyle: 'short' }).format(us / US_PER_MS);
}

/** `14:05:09`. */
export function clock(us: number, zone: Zone): string {
  return format(zone, { timeStyle: 'medium' }).format(us / US_PER_MS);
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'narrow' });

/** `3 min. ago`. */
export function ago(us: number, nowMs: number): string {
  const passed = us / US_PER_MS - nowMs;
  const [unit, length] = STEPS.find(([, step]) => Math.abs(passed) >= step) ?? ['second', SECOND_MS];
  return relative.format(Math.trunc(passed / length), unit);
}

/** A length of time: `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function length(us: number): string {
  const s = us / 1_000_000;
  if (s < 60) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([step]) => s >= step);
  const parts = units.slice(first, first + 2);
  let rest = Math.round(s);
  const words = parts.map(([step, name]) => {
    const whole = Math.floor(rest / step);
    rest -= whole * step;
    return whole > 0 ? `${whole} ${name}` : '';
  });
  return words.filter(Boolean).join(' ');
}

/** Since a log-in: `+0:07`, `+1:02:33`. */
export function offset(us: number): string {
  const s = Math.max(0, Math.floor(us / 1_000_000));
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `+${hours}:${two(minutes)}:${two(seconds)}` : `+${minutes}:${two(seconds)}`;
}
