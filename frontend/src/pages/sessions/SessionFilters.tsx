import { TextFilter } from '../../parts/ActorFilters';
import { short } from '../../parts/Who';
import type { SessionSearch } from '../../view/filters';

interface Props {
  search: SessionSearch;
  change: (part: { [K in keyof SessionSearch]?: SessionSearch[K] | undefined }) => void;
}

const LEAST_COMMANDS = [1, 5, 20, 100];

/** How the list of sessions is narrowed down. */
export function SessionFilters({ search, change }: Props) {
  const { decoy = '', protocol = '', commands = 0 } = search;
  const owner = search.attacker ?? search.identity;
  return (
    <>
      {owner !== undefined && (
        <button
          type="button"
          className="button small"
          onClick={() => change({ attacker: undefined, identity: undefined })}
        >
          of {search.attacker === undefined ? 'identity' : 'attacker'} <span className="mono">{short(owner)}</span>
          <span aria-label="take this filter away">✕</span>
        </button>
      )}
      <TextFilter
        key={`decoy ${decoy}`}
        label="Decoy"
        value={decoy}
        form=".{0,255}"
        onDone={(value) => change({ decoy: value || undefined })}
      />
      <TextFilter
        key={`protocol ${protocol}`}
        label="Protocol"
        value={protocol}
        form="[a-z0-9_.+\-]{0,32}"
        onDone={(value) => change({ protocol: value || undefined })}
      />
      <label className="row small">
        <span className="dim">Logged in</span>
        <select
          className="select"
          value={search.in === undefined ? '' : String(search.in)}
          onChange={({ target }) => change({ in: target.value === '' ? undefined : target.value === 'true' })}
        >
          <option value="">or not</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      </label>
      <label className="row small">
        <span className="dim">Commands</span>
        <select
          className="select"
          value={String(commands)}
          onChange={({ target }) => change({ commands: Number(target.value) || undefined })}
        >
          <option value="0">any</option>
          {[...new Set([...LEAST_COMMANDS, commands])]
            .filter((least) => least > 0)
            .toSorted((one, other) => one - other)
            .map((least) => (
              <option key={least} value={String(least)}>
                ≥ {least}
              </option>
            ))}
        </select>
      </label>
    </>
  );
}
