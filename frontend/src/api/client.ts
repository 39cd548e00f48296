import createFetchClient from 'openapi-fetch';
import createClient from 'openapi-react-query';

import type { components, paths } from './schema';

export type Schemas = components['schemas'];

/** A refusal as the API spells it (RFC 9457), or a fault of the network in the same form. */
export type Problem = Pick<Schemas['Problem'], 'title' | 'detail' | 'status'>;

const CSRF_COOKIE = 'decnet_csrf';
const SESSION_PATHS = ['/api/v1/auth/login', '/api/v1/auth/refresh'];
const UNAUTHORIZED = 401;

type Listener = () => void;
const onLeft = new Set<Listener>();

/** Calls `listener` whenever the server says that nobody is logged in; returns how to stop. */
export function whenLoggedOut(listener: Listener): Listener {
  onLeft.add(listener);
  return () => onLeft.delete(listener);
}

/** The value of a cookie, or '' where there is none. */
export function cookie(name: string, jar = document.cookie): string {
  const found = jar.split('; ').find((pair) => pair.startsWith(`${name}=`));
  return found === undefined ? '' : decodeURIComponent(found.slice(name.length + 1));
}

let refreshing: Promise<boolean> | null = null;

/** Trades the refresh cookie for a new access cookie; all who wait share one exchange. */
function refreshed(): Promise<boolean> {
  refreshing ??= fetch('/api/v1/auth/refresh', { method: 'POST', headers: { 'X-CSRF-Token': cookie(CSRF_COOKIE) } })
    .then((answer) => answer.ok)
    .catch(() => false)
    .finally(() => (refreshing = null));
  return refreshing;
}

/** `fetch` as a logged-in browser: repeats the CSRF token, and renews a log-in that ran out once. */
export async function ask(input: Request): Promise<Response> {
  const retry = input.clone();
  const answer = await fetch(withToken(input));
  if (answer.status !== UNAUTHORIZED || SESSION_PATHS.includes(new URL(input.url).pathname)) return answer;
  if (!(await refreshed())) {
    onLeft.forEach((listener) => listener());
    return answer;
  }
  return fetch(withToken(retry));
}

function withToken(request: Request): Request {
  if (request.method !== 'GET') request.headers.set('X-CSRF-Token', cookie(CSRF_COOKIE));
  return request;
}

export const api = createFetchClient<paths>({ baseUrl: location.origin, fetch: ask });
export const query = createClient(api);

/** What went wrong, in words, whatever was thrown. */
export function problemOf(error: unknown): Problem {
  if (typeof error === 'object' && error !== null && 'status' in error && 'detail' in error) return error as Problem;
  if (error instanceof TypeError)
    return { title: 'No answer', status: 0, detail: 'The server does not answer. Is `decnet serve` running?' };
  return { title: 'A fault of this page', status: 0, detail: error instanceof Error ? error.message : String(error) };
}
