import { useSyncExternalStore } from 'react';

const STEP_MS = 5_000;

function whenStepPasses(listener: () => void): () => void {
  const timer = setInterval(listener, STEP_MS);
  return () => clearInterval(timer);
}

/** Now, in ms since 1970, every five seconds: for ages that people watch. */
export function useNow(): number {
  return useSyncExternalStore(whenStepPasses, () => Math.floor(Date.now() / STEP_MS) * STEP_MS);
}
