import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';

import { PLACES } from './places';

const PREFIX = 'g';
const PREFIX_MS = 1_200;

interface Actions {
  search: () => void;
  keys: () => void;
}

/** Keys that work on every page: Ctrl-K and ⌘K search, `?` tells the keys, `g` and a letter goes to a page. */
export function useKeys({ search, keys }: Actions): void {
  const navigate = useNavigate();
  useEffect(() => {
    let prefixedAt = -Infinity;
    const hear = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        search();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const place = PLACES.find((one) => one.key === event.key);
      if (event.key === '?') keys();
      else if (event.timeStamp - prefixedAt < PREFIX_MS && place) void navigate({ to: place.to });
      prefixedAt = event.key === PREFIX ? event.timeStamp : -Infinity;
    };
    document.addEventListener('keydown', hear);
    return () => document.removeEventListener('keydown', hear);
  }, [navigate, search, keys]);
}

/** A key pressed there is text. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName))
  );
}
