import { useSyncExternalStore } from 'react';

const MINUTE_MS = 60_000;

function whenMinutePasses(listener: () => void): () => void {
  const timer = setInterval(listener, MINUTE_MS);
  return () => clearInterval(timer);
}

/** Now, in ms since 1970, by whole minutes. */
export function useMinute(): number {
  return useSyncExternalStore(whenMinutePasses, () => Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS);
}
