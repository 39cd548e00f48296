import { useCallback, useState, type KeyboardEvent, type PointerEvent } from 'react';

const KEY = 'decnet.drawer';
const [LEAST, USUAL, MOST] = [320, 440, 900];
const STEP = 24;

function kept(): number {
  return within(Number(localStorage.getItem(KEY)) || USUAL);
}

function within(width: number): number {
  return Math.round(Math.min(MOST, Math.max(LEAST, width)));
}

/** The width of the drawer in px, kept in this browser, and what its handle needs: it is dragged, or moved by arrows. */
export function useWidth() {
  const [width, setWidth] = useState(kept);
  const set = useCallback((value: number) => {
    setWidth(within(value));
    localStorage.setItem(KEY, String(within(value)));
  }, []);
  const handle = {
    role: 'separator',
    tabIndex: 0,
    'aria-orientation': 'vertical',
    'aria-valuemin': LEAST,
    'aria-valuenow': width,
    'aria-valuemax': MOST,
    onPointerDown: (event: PointerEvent) => event.currentTarget.setPointerCapture(event.pointerId),
    onPointerMove: (event: PointerEvent) => {
      if (event.currentTarget.hasPointerCapture(event.pointerId)) set(innerWidth - event.clientX);
    },
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === 'ArrowLeft') set(width + STEP);
      if (event.key === 'ArrowRight') set(width - STEP);
    },
  } as const;
  return { width, handle };
}
