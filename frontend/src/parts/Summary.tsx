import type { ReactNode } from 'react';

import './summary.css';

/** A line of facts below a page's title. */
export function Summary({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="summary">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
