import { useMemo } from 'react';

import { query, type Schemas } from './client';

const DAY_MS = 86_400_000;

/** MITRE's matrix of the release in force. */
export function useMatrix() {
  return query.useQuery('get', '/api/v1/attack/matrix', {}, { staleTime: DAY_MS, gcTime: DAY_MS });
}

export interface Names {
  /** The name of a technique, sub-technique or tactic; '' where the release does not know it. */
  of: (id: string) => string;
}

/** Names by id, as far as they are known yet. */
export function useNames(): Names {
  const { data } = useMatrix();
  return useMemo(() => namesIn(data), [data]);
}

export function namesIn(matrix: Schemas['Matrix'] | undefined): Names {
  const names = new Map<string, string>();
  for (const tactic of matrix?.tactics ?? []) {
    names.set(tactic.id, tactic.name);
    for (const technique of tactic.techniques) {
      names.set(technique.id, technique.name);
      for (const sub of technique.subs) names.set(sub.id, sub.name);
    }
  }
  return { of: (id) => names.get(id) ?? '' };
}
