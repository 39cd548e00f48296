import { useNews } from '../live/useNews';
import { prefer, usePreferences, type Preferences } from '../view/preferences';
import { RANGES, type Range } from '../view/search';
import { useView } from '../view/useView';
import { useNow } from '../view/useNow';
import { ago } from '../view/time';
import { useLogOut } from './useLogOut';
import { useMe } from './useMe';

const RANGE_NAMES: Record<Range, string> = {
  '1h': 'Last hour',
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
  all: 'All time',
};
/** Floors for which the API keeps sums. */
const FLOORS = [0, 0.6, 0.7, 0.8, 0.9];
const THEMES: Record<Preferences['theme'], string> = { system: 'As the system', light: 'Light', dark: 'Dark' };
const STATES = { off: 'not followed', opening: 'opening', open: 'live', waiting: 'no connection' } as const;

/** Search, what stretch of time and how sure, and whether news is followed. */
export function TopBar({ onSearch, onKeys }: { onSearch: () => void; onKeys: () => void }) {
  const { search, confidence, change } = useView();
  const { theme, zone } = usePreferences();
  const { data: me } = useMe();
  const logOut = useLogOut();
  const isFixed = search.since !== undefined || search.until !== undefined;
  return (
    <header className="top">
      <button type="button" className="button search" onClick={onSearch}>
        <span className="dim">Search addresses, techniques, rules, hashes, commands</span>
        <kbd>Ctrl K</kbd>
      </button>
      <label className="row">
        <span className="unseen">Stretch of time</span>
        <select
          className="select"
          value={isFixed ? 'fixed' : (search.range ?? 'all')}
          onChange={(event) => change({ range: event.target.value as Range, since: undefined, until: undefined })}
        >
          {isFixed && <option value="fixed">As linked</option>}
          {(['all', ...Object.keys(RANGES).reverse()] as Range[]).map((range) => (
            <option key={range} value={range}>
              {RANGE_NAMES[range]}
            </option>
          ))}
        </select>
      </label>
      <label className="row">
        <span className="dim small">Confidence</span>
        <select
          className="select"
          value={String(confidence)}
          onChange={(event) => change({ conf: Number(event.target.value) })}
        >
          {[...new Set([...FLOORS, confidence])].toSorted().map((floor) => (
            <option key={floor} value={String(floor)}>
              {floor === 0 ? 'any' : `≥ ${floor.toFixed(2)}`}
            </option>
          ))}
        </select>
      </label>
      <LiveSwitch />
      <details className="menu">
        <summary className="button quiet">
          <span className="unseen">Settings and account of </span>
          {me?.name ?? '…'}
        </summary>
        <div className="stack">
          <label className="field">
            Colours
            <select value={theme} onChange={(event) => prefer({ theme: event.target.value as Preferences['theme'] })}>
              {Object.entries(THEMES).map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label className="field">
            Times
            <select value={zone} onChange={(event) => prefer({ zone: event.target.value as Preferences['zone'] })}>
              <option value="local">In my time zone</option>
              <option value="utc">UTC</option>
            </select>
          </label>
          <button type="button" className="button" onClick={onKeys}>
            Keys <kbd>?</kbd>
          </button>
          <button type="button" className="button" onClick={logOut}>
            Log out
          </button>
        </div>
      </details>
    </header>
  );
}

function LiveSwitch() {
  const { live } = usePreferences();
  const { state, heardAt, tags } = useNews();
  const now = useNow();
  const newest = tags[0];
  return (
    <button
      type="button"
      className="button live"
      aria-pressed={live}
      data-state={state}
      onClick={() => prefer({ live: !live })}
      title={heardAt === null ? 'Nothing heard yet' : `Heard ${ago(heardAt * 1000, now)}`}
    >
      <i aria-hidden="true" />
      {STATES[state]}
      {newest && <span className="dim">{ago(newest.observed_at, now)}</span>}
    </button>
  );
}
