import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';

import { query } from '../../api/client';
import { PAGES } from '../../api/pages';
import { isTyping } from '../../frame/useKeys';
import { Panel } from '../../parts/Panel';
import { Answer } from '../../parts/States';
import type { ReplaySearch } from '../../view/filters';
import { count } from '../../view/numbers';
import { useChange } from '../../view/useChange';
import { useView } from '../../view/useView';
import { isNote, zeroOf } from './step';
import { StepRow } from './StepRow';
import './replay.css';

interface Props {
  uuid: string;
  search: ReplaySearch;
  /** How many steps there are in all. */
  events: number;
}

const AT_ONCE = 200;
const NEAR_END = 40;
const ROW_PX = 30;

/** What happened in a session, in its order: j and k step through it. Only steps in sight are drawn. */
export function Replay({ uuid, search, events }: Props) {
  const { confidence } = useView();
  const change = useChange<ReplaySearch>();
  const replay = query.useInfiniteQuery(
    'get',
    '/api/v1/sessions/{uuid}/replay',
    { params: { path: { uuid }, query: { min_confidence: confidence, limit: AT_ONCE } } },
    PAGES,
  );
  const isQuiet = search.quiet === true;
  const all = useMemo(() => replay.data?.pages.flatMap((page) => page.items) ?? [], [replay.data]);
  const steps = useMemo(() => (isQuiet ? all.filter((step) => !isNote(step)) : all), [all, isQuiet]);
  const zero = useMemo(() => zeroOf(all), [all]);
  const frame = useRef<HTMLDivElement>(null);
  const found = steps.findIndex((step) => step.id === search.event);
  const [picked, setPicked] = useState(-1);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualiser keeps its own state and says when to draw
  const virtual = useVirtualizer({
    count: steps.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => steps[index]?.id ?? index,
    overscan: 16,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;

  const { hasNextPage, isFetchingNextPage, fetchNextPage } = replay;
  const isSought = search.event !== undefined && found < 0;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && (isSought || last >= steps.length - NEAR_END)) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, isSought, last, steps.length]);

  const scrollTo = useRef(virtual.scrollToIndex);
  useEffect(() => {
    scrollTo.current = virtual.scrollToIndex;
  });
  const at = picked >= 0 ? picked : found;
  useEffect(() => {
    if (at >= 0) scrollTo.current(at, { align: 'center' });
  }, [at]);

  useEffect(() => {
    const hear = (event: globalThis.KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key !== 'j' && event.key !== 'k') return;
      event.preventDefault();
      setPicked(Math.min(steps.length - 1, Math.max(0, at + (event.key === 'j' ? 1 : -1))));
    };
    document.addEventListener('keydown', hear);
    return () => document.removeEventListener('keydown', hear);
  }, [at, steps.length]);

  const page = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === 'Home') virtual.scrollToIndex(0);
    if (event.key === 'End') virtual.scrollToIndex(steps.length - 1);
  };
  const here = steps[at];
  return (
    <Panel
      flush
      title={`Replay, ${count(events)} steps`}
      actions={
        <>
          <span className="dim small">
            <kbd>j</kbd> <kbd>k</kbd> step{here !== undefined && `, at ${count(at + 1)}`}
          </span>
          <label className="row small">
            <input
              type="checkbox"
              checked={!isQuiet}
              onChange={({ target }) => change({ quiet: target.checked ? undefined : true })}
            />
            the honeypot’s notes
          </label>
        </>
      }
    >
      <Answer of={replay} rows={14}>
        {() => (
          <>
            <div className="step step-heads" aria-hidden="true">
              <span>since log-in</span>
              <span>what happened</span>
              <span>what it means</span>
            </div>
            <div ref={frame} className="replay" role="list" aria-label="Steps" tabIndex={0} onKeyDown={page}>
              <div style={{ height: virtual.getTotalSize(), position: 'relative' }} role="presentation">
                {items.map((item) => {
                  const step = steps[item.index];
                  return (
                    step !== undefined && (
                      <div
                        key={item.key}
                        ref={virtual.measureElement}
                        data-index={item.index}
                        role="listitem"
                        aria-setsize={isQuiet ? -1 : events}
                        aria-posinset={item.index + 1}
                        aria-current={item.index === at ? 'step' : undefined}
                        className="step-place"
                        style={{ transform: `translateY(${item.start}px)` }}
                      >
                        <StepRow step={step} zero={zero} isPicked={item.index === at} index={item.index} />
                      </div>
                    )
                  );
                })}
              </div>
            </div>
          </>
        )}
      </Answer>
    </Panel>
  );
}
