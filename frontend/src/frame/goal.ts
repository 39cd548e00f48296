import type { Schemas } from '../api/client';

export type Hit = Omit<Schemas['Hit'], 'kind' | 'url'> & { kind: Schemas['Hit']['kind'] | 'page' };

/** Where something that was found is shown; what is part of a session is shown there. */
export function goal(hit: Hit): { to: string; params?: Record<string, string>; search?: Record<string, string> } {
  switch (hit.kind) {
    case 'page':
      return { to: hit.id };
    case 'attacker':
      return { to: '/attackers/$uuid', params: { uuid: hit.id } };
    case 'identity':
      return { to: '/identities/$uuid', params: { uuid: hit.id } };
    case 'campaign':
      return { to: '/campaigns/$uuid', params: { uuid: hit.id } };
    case 'session':
      return { to: '/sessions/$uuid', params: { uuid: hit.id } };
    case 'technique':
      return { to: '/techniques/$id', params: { id: hit.id } };
    case 'rule':
      return { to: '/rules', search: { rule: hit.id } };
    default:
      return hit.session_uuid
        ? { to: '/sessions/$uuid', params: { uuid: hit.session_uuid }, search: { event: hit.id } }
        : { to: '/sessions' };
  }
}
