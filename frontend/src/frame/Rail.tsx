import { Link } from '@tanstack/react-router';

import { prefer, usePreferences } from '../view/preferences';
import { PLACES } from './places';

const ICONS: Record<(typeof PLACES)[number]['name'], string> = {
  Overview: 'M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z',
  Identities: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 14c0-3 3-5 6-5s6 2 6 5z',
  Attackers: 'M8 1l6 3v4c0 4-3 6-6 7-3-1-6-3-6-7V4z',
  Sessions: 'M1 3h14v10H1zM3 6l3 2-3 2M7 10h4',
  Campaigns: 'M2 4h6v2H2zM5 8h8v2H5zM8 12h6v2H8z',
  Techniques: 'M2 3h12v2H2zM2 7h9v2H2zM2 11h6v2H2z',
  Rules: 'M3 1h7l3 3v11H3zM5 7h6M5 10h6',
  Operations: 'M1 9h3l2-6 4 11 2-5h3',
};

/** The way to every page. */
export function Rail() {
  const { rail } = usePreferences();
  const isWide = rail === 'wide';
  return (
    <nav className="rail" aria-label="Pages">
      <p className="brand">
        <img src="/mark.svg" width="20" height="20" alt="" />
        <span>DECNET TTP</span>
      </p>
      <ul>
        {PLACES.map(({ to, name }) => (
          <li key={to}>
            <Link
              to={to}
              activeOptions={{ exact: to === '/', includeSearch: false }}
              aria-label={name}
              title={isWide ? undefined : name}
            >
              <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
                <path d={ICONS[name]} />
              </svg>
              <span>{name}</span>
            </Link>
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="button quiet"
        aria-expanded={isWide}
        aria-label={isWide ? 'Make the rail narrow' : 'Make the rail wide'}
        onClick={() => prefer({ rail: isWide ? 'narrow' : 'wide' })}
      >
        {isWide ? '«' : '»'}
      </button>
    </nav>
  );
}
