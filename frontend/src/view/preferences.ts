/** What a person likes, kept in this browser: colours, time zone, the rail. Everything else is in the address. */
import { useSyncExternalStore } from 'react';

export interface Preferences {
  theme: 'system' | 'light' | 'dark';
  zone: 'local' | 'utc';
  rail: 'wide' | 'narrow';
  /** Whether new tags are followed. */
  live: boolean;
}

const KEY = 'decnet';
const DEFAULTS: Preferences = { theme: 'system', zone: 'local', rail: 'wide', live: true };
const CHOICES = {
  theme: ['system', 'light', 'dark'],
  zone: ['local', 'utc'],
  rail: ['wide', 'narrow'],
  live: [true, false],
} as const;

const listeners = new Set<() => void>();
let current = read();

function read(): Preferences {
  let kept: unknown;
  try {
    kept = JSON.parse(localStorage.getItem(KEY) ?? '{}');
  } catch {
    return DEFAULTS;
  }
  return typeof kept === 'object' && kept !== null ? cleaned(kept as Record<string, unknown>) : DEFAULTS;
}

/** `kept` without what is no choice any more. */
export function cleaned(kept: Record<string, unknown>): Preferences {
  const valid = Object.entries(CHOICES).filter(([name, choices]) =>
    (choices as readonly unknown[]).includes(kept[name]),
  );
  return { ...DEFAULTS, ...(Object.fromEntries(valid.map(([name]) => [name, kept[name]])) as Partial<Preferences>) };
}

/** Keeps the choice and shows it. */
export function prefer(part: Partial<Preferences>): void {
  current = { ...current, ...part };
  localStorage.setItem(KEY, JSON.stringify(current));
  dress();
  listeners.forEach((listener) => listener());
}

/** Gives the document the colours that were chosen. */
export function dress(): void {
  document.documentElement.style.colorScheme = current.theme === 'system' ? 'light dark' : current.theme;
  document.documentElement.dataset['theme'] = current.theme;
}

export function preferences(): Preferences {
  return current;
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(listen, preferences);
}
