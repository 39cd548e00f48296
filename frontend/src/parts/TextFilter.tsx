import { useEffect, useRef, useState } from 'react';

import { isTyping } from '../frame/useKeys';

interface Props {
  label: string;
  /** What is filtered by. */
  text: string;
  /** Hears what is typed once typing pauses; the same function each time, or the pause begins anew. */
  onText: (text: string) => void;
  /** `/` leads here. */
  hasKey?: boolean;
}

const TYPED_MS = 250;

/** Part of a name, to filter a list by. */
export function TextFilter({ label, text, onText, hasKey = false }: Props) {
  const [typed, setTyped] = useState(text);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (!hasKey) return;
    const hear = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', hear);
    return () => document.removeEventListener('keydown', hear);
  }, [hasKey]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => onText(typed), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed, text, onText]);
  return (
    <div className="field text-filter">
      <input
        ref={input}
        type="search"
        aria-label={label}
        aria-keyshortcuts={hasKey ? '/' : undefined}
        placeholder={label}
        maxLength={200}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      {hasKey && <kbd aria-hidden="true">/</kbd>}
    </div>
  );
}
