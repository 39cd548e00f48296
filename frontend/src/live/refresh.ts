import type { QueryClient } from '@tanstack/react-query';

import type { Topic } from './stream';

/** Which answers of the API a subject makes old, by the beginning of their paths. */
const STALE: Record<Exclude<Topic, 'reset'>, readonly string[]> = {
  tag: ['/api/v1/ttp/techniques', '/api/v1/ttp/by-', '/api/v1/ttp/activity', '/api/v1/ttp/tags', '/api/v1/sessions'],
  rule: ['/api/v1/ttp/rules'],
  identity: ['/api/v1/identities', '/api/v1/attackers'],
  campaign: ['/api/v1/campaigns'],
};
const PAUSE_MS = 2_000;

/** Says that answers are old, every two seconds at most: a page that looks at them asks anew. */
export function refresher(client: QueryClient): (topics: ReadonlySet<Topic>) => void {
  const waiting = new Set<Topic>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  const run = () => {
    timer = null;
    const paths = [...waiting].flatMap((topic) => (topic === 'reset' ? ['/api/'] : STALE[topic]));
    waiting.clear();
    void client.invalidateQueries({
      predicate: ({ queryKey: [, path] }) => typeof path === 'string' && paths.some((one) => path.startsWith(one)),
    });
  };
  return (topics) => {
    topics.forEach((topic) => waiting.add(topic));
    timer ??= setTimeout(run, PAUSE_MS);
  };
}
