import { createContext, useContext, useEffect, useSyncExternalStore } from 'react';

import { usePreferences } from '../view/preferences';
import type { News, Stream } from './stream';

export const StreamContext = createContext<Stream | null>(null);

function useStream(): Stream {
  const stream = useContext(StreamContext);
  if (stream === null) throw new Error('useNews outside of StreamContext');
  return stream;
}

/** What is new; the part of the page that calls it is drawn anew with each piece. */
export function useNews(): News {
  const stream = useStream();
  return useSyncExternalStore(stream.listen, stream.news);
}

/** Keeps the stream open while the frame stands and the person wants it. */
export function useFollowing(): void {
  const stream = useStream();
  const { live } = usePreferences();
  useEffect(() => {
    if (!live) return;
    stream.open();
    return () => stream.close();
  }, [stream, live]);
}
