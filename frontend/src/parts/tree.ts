/** Somebody's techniques as a tree: tactic, technique, sub-technique. */
import type { Schemas } from '../api/client';

type Seen = Schemas['Seen'];
type TechniqueDay = Schemas['TechniqueDay'];

export interface Branch {
  /** `TA0011:T1105`, unique within the tree: a technique may serve several tactics. */
  key: string;
  tactic: string;
  id: string;
  name: string;
  count: number;
  firstSeen: number;
  lastSeen: number;
  /** The highest confidence among its tags, as views show it. */
  confidence: number;
  /** Tags per day, the oldest day first. */
  days: readonly number[];
  subs: readonly Branch[];
}

export interface TacticBranch {
  id: string;
  name: string;
  count: number;
  techniques: readonly Branch[];
}

const DAY_US = 86_400_000_000;
/** So many days up to the newest one are drawn. */
export const MOST_DAYS = 30;

/** The tree of `seen`: tactics in the order of `tactics`, within them what was seen most first. */
export function treeOf(
  seen: readonly Seen[],
  tactics: readonly string[],
  activity: readonly TechniqueDay[] = [],
): TacticBranch[] {
  const days = daysOf(activity);
  const branches = new Map<string, Map<string, Branch>>();
  for (const row of seen) {
    const techniques = branches.get(row.tactic) ?? new Map<string, Branch>();
    branches.set(row.tactic, techniques);
    const own = leaf(row, days);
    const known = techniques.get(row.technique_id);
    if (row.sub_technique_id === null)
      techniques.set(row.technique_id, known ? { ...joined(known, own), name: own.name } : own);
    else {
      const parent = known ?? {
        ...own,
        ...named(row.tactic, row.technique_id),
        name: '',
        count: 0,
        days: [],
        subs: [],
      };
      const same = parent.subs.find((sub) => sub.id === own.id);
      const subs = [...parent.subs.filter((sub) => sub !== same), same ? joined(same, own) : own];
      techniques.set(row.technique_id, { ...joined(parent, own), name: parent.name, subs });
    }
  }
  const names = new Map(seen.map((row) => [row.tactic, row.tactic_name]));
  return [...branches]
    .map(([id, techniques]) => {
      const sorted = [...techniques.values()].toSorted(mostFirst);
      return {
        id,
        name: names.get(id) ?? '',
        count: sorted.reduce((sum, one) => sum + one.count, 0),
        techniques: sorted.map((one) => ({ ...one, subs: one.subs.toSorted(mostFirst) })),
      };
    })
    .toSorted((one, other) => place(one.id, tactics) - place(other.id, tactics));
}

/** How much is behind a branch: many unsure tags weigh as much as a few sure ones. */
export function weightOf(branch: Branch): number {
  return branch.count * branch.confidence;
}

function leaf(row: Seen, days: Days): Branch {
  return {
    ...named(row.tactic, row.sub_technique_id ?? row.technique_id),
    name: row.name,
    count: row.count,
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    confidence: row.shown_confidence,
    days: days.of(row),
    subs: [],
  };
}

function named(tactic: string, id: string) {
  return { key: `${tactic}:${id}`, tactic, id };
}

/** Two rows of one technique: of two releases, or of two sub-techniques for their parent. */
function joined(one: Branch, other: Branch): Branch {
  return {
    ...one,
    count: one.count + other.count,
    firstSeen: Math.min(one.firstSeen, other.firstSeen),
    lastSeen: Math.max(one.lastSeen, other.lastSeen),
    confidence: Math.max(one.confidence, other.confidence),
    days: one.days.length === 0 ? other.days : one.days.map((count, index) => count + (other.days[index] ?? 0)),
    subs: [...one.subs, ...other.subs],
  };
}

interface Days {
  of: (row: Seen) => readonly number[];
}

/** Days up to the newest one on which there was anything. */
function daysOf(activity: readonly TechniqueDay[]): Days {
  const newest = Math.max(0, ...activity.map((one) => one.started_at));
  const oldest = Math.max(
    newest - (MOST_DAYS - 1) * DAY_US,
    Math.min(newest, ...activity.map((one) => one.started_at)),
  );
  const length = activity.length === 0 ? 0 : (newest - oldest) / DAY_US + 1;
  return {
    of: (row) => {
      const counts = new Array<number>(length).fill(0);
      for (const one of activity) {
        const at = (one.started_at - oldest) / DAY_US;
        const isSame =
          one.tactic === row.tactic &&
          one.technique_id === row.technique_id &&
          one.sub_technique_id === row.sub_technique_id;
        if (isSame && at >= 0) counts[at] = (counts[at] ?? 0) + one.count;
      }
      return counts;
    },
  };
}

function mostFirst(one: Branch, other: Branch): number {
  return other.count - one.count || one.id.localeCompare(other.id);
}

function place(tactic: string, tactics: readonly string[]): number {
  const at = tactics.indexOf(tactic);
  return at < 0 ? tactics.length : at;
}
