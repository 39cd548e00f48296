/** MITRE's matrix with what was seen laid over it. */
import type { Schemas } from '../../api/client';

type Matrix = Schemas['Matrix'];
type Seen = Schemas['Seen'];

/** What was seen of a technique under one tactic. */
export interface Part {
  /** `TA0002/T1059` or `TA0002/T1059.004`. */
  key: string;
  id: string;
  name: string;
  count: number;
  /** The highest of its tags; 0 where there is none. */
  confidence: number;
  isNew: boolean;
}

export interface Cell extends Part {
  /** The name without what the tactic says already. */
  short: string;
  /** Sub-techniques by id. `count`, `confidence` and `isNew` of the cell hold theirs. */
  subs: readonly Part[];
}

export interface Column {
  id: string;
  name: string;
  /** Tags. */
  count: number;
  /** Techniques with tags. */
  seen: number;
  /** Seen ones first, both by name. */
  cells: readonly Cell[];
}

export interface Laid {
  columns: readonly Column[];
  /** Tags under tactics that the release in force does not have: the matrix has no place for them. */
  elsewhere: number;
  /** Highest count of a cell. */
  most: number;
}

export function keyOf(tactic: string, id: string): string {
  return `${tactic}/${id}`;
}

/**
 * Lays sums over the matrix. A technique counts with its sub-techniques; one that the release does not know
 * (tags keep the release they were made with) comes under its tactic all the same.
 */
export function layOut(matrix: Matrix, seen: readonly Seen[], fresh: ReadonlySet<string>): Laid {
  const under = grouped(seen, (row) => row.tactic);
  const known = new Set(matrix.tactics.map((tactic) => tactic.id));
  const columns = matrix.tactics.map((tactic) => column(tactic, under.get(tactic.id) ?? [], fresh));
  return {
    columns,
    elsewhere: seen.reduce((sum, row) => (known.has(row.tactic) ? sum : sum + row.count), 0),
    most: columns.reduce((most, { cells }) => cells.reduce((high, cell) => Math.max(high, cell.count), most), 0),
  };
}

function column(tactic: Matrix['tactics'][number], rows: readonly Seen[], fresh: ReadonlySet<string>): Column {
  const byParent = grouped(rows, (row) => row.technique_id);
  const listed = new Set(tactic.techniques.map((technique) => technique.id));
  const strangers = [...byParent.keys()].filter((id) => !listed.has(id)).map((id) => ({ id, name: '', subs: [] }));
  const cells = [...tactic.techniques, ...strangers].map((technique) =>
    cell(tactic, technique, byParent.get(technique.id) ?? [], fresh),
  );
  const ordered = [...cells.filter(isSeen), ...cells.filter((one) => !isSeen(one))];
  return {
    id: tactic.id,
    name: tactic.name,
    count: cells.reduce((sum, one) => sum + one.count, 0),
    seen: cells.filter(isSeen).length,
    cells: ordered,
  };
}

function grouped(rows: readonly Seen[], by: (row: Seen) => string): Map<string, Seen[]> {
  const groups = new Map<string, Seen[]>();
  for (const row of rows) {
    const group = groups.get(by(row));
    if (group) group.push(row);
    else groups.set(by(row), [row]);
  }
  return groups;
}

export function isSeen(part: Part): boolean {
  return part.count > 0;
}

type Technique = Matrix['tactics'][number]['techniques'][number];

function cell(
  tactic: Matrix['tactics'][number],
  technique: Technique,
  rows: readonly Seen[],
  fresh: ReadonlySet<string>,
): Cell {
  const bySub = grouped(rows, (row) => row.sub_technique_id ?? '');
  const listed = new Set(technique.subs.map((sub) => sub.id));
  const strangers = [...bySub.entries()]
    .filter(([id]) => id !== '' && !listed.has(id))
    .map(([id, [row]]) => ({ id, name: row?.name ?? '' }));
  const subs = [...technique.subs, ...strangers].map((sub) =>
    part(tactic.id, sub.id, sub.name, bySub.get(sub.id) ?? [], fresh),
  );
  const own = bySub.get('')?.[0]?.name ?? '';
  const whole = part(tactic.id, technique.id, technique.name || own, rows, fresh);
  return {
    ...whole,
    isNew: whole.isNew || subs.some((sub) => sub.isNew),
    short: shortName(whole.name, tactic.name),
    subs,
  };
}

function part(tactic: string, id: string, name: string, rows: readonly Seen[], fresh: ReadonlySet<string>): Part {
  const key = keyOf(tactic, id);
  return {
    key,
    id,
    name,
    count: rows.reduce((sum, row) => sum + row.count, 0),
    confidence: rows.reduce((most, row) => Math.max(most, row.max_confidence), 0),
    isNew: rows.length > 0 && fresh.has(key),
  };
}

/** `System Information` for System Information Discovery under Discovery. */
export function shortName(name: string, tactic: string): string {
  return briefly(name.endsWith(` ${tactic}`) ? name.slice(0, -tactic.length - 1) : name);
}

/** `Command & Control`. */
export function briefly(name: string): string {
  return name.replaceAll(' and ', ' & ');
}

/** Keys (`TA0002/T1059.004`) of what was first seen at `since` (µs UTC) or later. */
export function freshSince(ever: readonly Seen[], since: number): Set<string> {
  const rows = ever.filter((row) => row.first_seen >= since);
  return new Set(rows.map((row) => keyOf(row.tactic, row.sub_technique_id ?? row.technique_id)));
}

/** The columns with those cells alone whose id or name, or that of a sub-technique, holds `text`. */
export function picked(columns: readonly Column[], text: string): readonly Column[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return columns;
  const isNamed = ({ id, name }: Part) => id.toLowerCase().includes(wanted) || name.toLowerCase().includes(wanted);
  return columns.map((one) => ({
    ...one,
    cells: one.cells.filter((cell) => isNamed(cell) || cell.subs.some(isNamed)),
  }));
}
