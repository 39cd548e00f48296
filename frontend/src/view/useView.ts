import { useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';

import { boundsOf, DEFAULT_CONFIDENCE, type Bounds, type FrameSearch } from './search';
import { useChange, type Change } from './useChange';
import { useMinute } from './useMinute';

export interface View {
  /** The frame's part of the address. */
  search: FrameSearch;
  bounds: Bounds;
  /** Confidence floor. */
  confidence: number;
  /** Changes the address in place; `undefined` takes a part away. */
  change: Change<FrameSearch>;
}

/** The stretch of time, the confidence floor and the open tag, as the address says. */
export function useView(): View {
  const search: FrameSearch = useSearch({ strict: false });
  const minute = useMinute();
  const { since, until, range } = search;
  const bounds = useMemo(
    () =>
      boundsOf(
        { ...(range && { range }), ...(since !== undefined && { since }), ...(until !== undefined && { until }) },
        minute,
      ),
    [range, since, until, minute],
  );
  const change = useChange<FrameSearch>();
  return { search, bounds, confidence: search.conf ?? DEFAULT_CONFIDENCE, change };
}
