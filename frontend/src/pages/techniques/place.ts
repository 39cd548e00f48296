/** Where a technique stands in the matrix. */
import type { Schemas } from '../../api/client';

interface Named {
  id: string;
  name: string;
}

export interface Known {
  /** '' where the release in force does not have it. */
  name: string;
  /** Of a sub-technique. */
  parent: Named | null;
  tactics: readonly Named[];
  subs: readonly Named[];
}

const UNKNOWN: Known = { name: '', parent: null, tactics: [], subs: [] };

export function place(matrix: Schemas['Matrix'] | undefined, id: string): Known {
  const [parentId = ''] = id.split('.');
  const under = (matrix?.tactics ?? []).flatMap((tactic) =>
    tactic.techniques.filter((one) => one.id === parentId).map((technique) => ({ tactic, technique })),
  );
  const technique = under[0]?.technique;
  if (technique === undefined) return UNKNOWN;
  const isSub = parentId !== id;
  const holding = under.filter(({ technique: { subs } }) => !isSub || subs.some((sub) => sub.id === id));
  const sub = holding[0]?.technique.subs.find((one) => one.id === id);
  if (isSub && sub === undefined) return { ...UNKNOWN, parent: technique };
  const subs = new Map(under.flatMap(({ technique: one }) => one.subs).map((one) => [one.id, one]));
  return {
    name: sub?.name ?? technique.name,
    parent: isSub ? technique : null,
    tactics: holding.map(({ tactic: { id: tacticId, name } }) => ({ id: tacticId, name })),
    subs: isSub ? [] : [...subs.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1)),
  };
}
