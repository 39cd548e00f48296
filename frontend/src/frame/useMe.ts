import { query } from '../api/client';

/** Who is logged in, and what they may. */
export function useMe() {
  return query.useQuery('get', '/api/v1/auth/me', {}, { staleTime: Infinity });
}

/** Whether this person may change things. The server decides; the page only leaves out what it would refuse. */
export function useIsAdmin(): boolean {
  return useMe().data?.scope === 'admin';
}
