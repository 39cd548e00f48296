/** A campaign in lanes: one per identity, in it a row per phase of the Unified Kill Chain. */
import type { Schemas } from '../../api/client';

type Span = Schemas['PhaseSpan'];
type HandOff = Schemas['HandOff'];

/** In the order of the chain; only phases that tactics are seen as. */
export const PHASES = [
  'reconnaissance',
  'resource_development',
  'delivery',
  'persistence',
  'defense_evasion',
  'command_and_control',
  'discovery',
  'privilege_escalation',
  'execution',
  'credential_access',
  'lateral_movement',
  'collection',
  'exfiltration',
  'impact',
] as const;

export interface Stretch {
  since: number;
  until: number;
  count: number;
}

export interface Row {
  phase: string;
  /** In order of time; none touches the next. */
  stretches: readonly Stretch[];
}

export interface Lane {
  identity: string;
  rows: readonly Row[];
}

/** Lanes in the order in which their identities began; tactics of one phase are one row. */
export function lanesOf(spans: readonly Span[]): Lane[] {
  const lanes = new Map<string, Map<string, Stretch[]>>();
  for (const span of spans.toSorted((one, other) => one.first_seen - other.first_seen)) {
    if (span.phase === null) continue;
    const rows = lanes.get(span.identity_uuid) ?? new Map<string, Stretch[]>();
    lanes.set(span.identity_uuid, rows);
    const row = rows.get(span.phase) ?? [];
    rows.set(span.phase, row);
    const before = row.at(-1);
    if (before && span.first_seen <= before.until) {
      before.until = Math.max(before.until, span.last_seen);
      before.count += span.count;
    } else row.push({ since: span.first_seen, until: span.last_seen, count: span.count });
  }
  return [...lanes].map(([identity, rows]) => ({
    identity,
    rows: [...rows]
      .map(([phase, stretches]) => ({ phase, stretches }))
      .toSorted((one, other) => placeOf(one.phase) - placeOf(other.phase)),
  }));
}

/** `command_and_control` as `Command and control`. */
export function phaseInWords(phase: string): string {
  const words = phase.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Where in the chain a phase stands, from 0 to 1. */
export function depthOf(phase: string): number {
  return placeOf(phase) / (PHASES.length - 1);
}

export interface Layout {
  /** Height of everything in px. */
  height: number;
  /** Where each lane begins, by its identity. */
  tops: ReadonlyMap<string, number>;
  /** Where the middle of a row is. */
  middle: (identity: string, phases: readonly string[], at: number) => number | null;
}

/** Where lanes and rows stand, one below the other. */
export function layoutOf(lanes: readonly Lane[], sizes: { row: number; gap: number; least: number }): Layout {
  const tops = new Map<string, number>();
  let height = 0;
  for (const lane of lanes) {
    tops.set(lane.identity, height);
    height += Math.max(sizes.least, lane.rows.length * sizes.row) + sizes.gap;
  }
  const middle: Layout['middle'] = (identity, phases, at) => {
    const top = tops.get(identity);
    const rows = lanes.find((lane) => lane.identity === identity)?.rows;
    if (top === undefined || rows === undefined) return null;
    const holds = (row: Row) =>
      phases.includes(row.phase) && row.stretches.some((one) => one.since <= at && at <= one.until);
    const index = rows.findIndex(holds);
    return top + sizes.gap / 2 + (index < 0 ? rows.length / 2 : index + 0.5) * sizes.row;
  };
  return { height, tops, middle };
}

export const LEFT_BEHIND = ['persistence', 'command_and_control'];
export const TAKEN_UP = ['discovery', 'lateral_movement'];

export interface Connector {
  handOff: HandOff;
  /** Percent of the width, px from the top. */
  from: { x: number; y: number };
  to: { x: number; y: number };
}

/** Hand-offs both of whose sides are drawn. */
export function connectorsOf(handOffs: readonly HandOff[], layout: Layout, at: (us: number) => number): Connector[] {
  return handOffs.flatMap((handOff) => {
    if (handOff.taken_at === null) return [];
    const [giver, taker] = [
      layout.middle(handOff.giver_uuid, LEFT_BEHIND, handOff.left_at),
      layout.middle(handOff.taker_uuid, TAKEN_UP, handOff.taken_at),
    ];
    if (giver === null || taker === null) return [];
    return [{ handOff, from: { x: at(handOff.left_at), y: giver }, to: { x: at(handOff.taken_at), y: taker } }];
  });
}

function placeOf(phase: string): number {
  const at = (PHASES as readonly string[]).indexOf(phase);
  return at < 0 ? PHASES.length - 1 : at;
}
