import type { ReactNode } from 'react';

import { problemOf } from '../api/client';

/** What is missing, in one sentence, and the one line to run. */
export function Empty({ children, run }: { children: ReactNode; run?: string }) {
  return (
    <div className="empty">
      <p>{children}</p>
      {run !== undefined && <code>{run}</code>}
    </div>
  );
}

/** What failed, why, and a way to try again. */
export function Fault({ error, retry }: { error: unknown; retry?: () => unknown }) {
  const { title, detail } = problemOf(error);
  return (
    <div className="fault" role="alert">
      <strong>{title}</strong>
      <p>{detail}</p>
      {retry !== undefined && (
        <button type="button" className="button" onClick={() => void retry()}>
          Try again
        </button>
      )}
    </div>
  );
}

/** The shape of rows to come; seen after 150 ms only. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div className="skeleton" aria-busy="true" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** What was asked for, or where it is: under way, or failed. Data that is at hand stays while it is asked for anew. */
export function Answer<T>({ of, rows, children }: { of: Asked<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return <Fault error={of.error} retry={of.refetch} />;
  return <Skeleton {...(rows !== undefined && { rows })} />;
}
