import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';

/** Changes part of the address in place; `undefined` takes a part away. */
export type Change<T> = (part: { [K in keyof T]?: T[K] | undefined }) => void;

/** How a page changes its own part of the address. */
export function useChange<T extends object>(): Change<T> {
  const navigate = useNavigate();
  return useCallback(
    (part) => void navigate({ to: '.', search: (old: object) => ({ ...old, ...part }), replace: true } as never),
    [navigate],
  );
}
