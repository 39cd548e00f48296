import { useCallback, useId } from 'react';

import { query } from '../../api/client';
import { pieces } from '../../parts/hostile';
import { TextFilter } from '../../parts/TextFilter';
import type { OverviewSearch } from './search';

interface Props {
  search: OverviewSearch;
  change: (part: { [K in keyof OverviewSearch]?: OverviewSearch[K] | undefined }) => void;
}

/** What the matrix shows, and how. All of it is in the address. */
export function Filters({ search, change }: Props) {
  const filter = useCallback((text: string) => change({ text: text || undefined }), [change]);
  return (
    <div className="row overview-filters">
      <TextFilter label="Filter techniques" text={search.text ?? ''} onText={filter} hasKey />
      <DecoyFilter decoy={search.decoy ?? ''} onDecoy={(decoy) => change({ decoy: decoy || undefined })} />
      <KindFilter kind={search.kind ?? ''} onKind={(kind) => change({ kind: kind || undefined })} />
      <select
        className="select"
        aria-label="Colour"
        value={search.colour ?? 'count'}
        onChange={(event) => change({ colour: event.target.value === 'confidence' ? 'confidence' : undefined })}
      >
        <option value="count">Colour: tags</option>
        <option value="confidence">Colour: confidence</option>
      </select>
      <button
        type="button"
        className="button"
        aria-pressed={search.unseen === 'hidden'}
        onClick={() => change({ unseen: search.unseen === 'hidden' ? undefined : 'hidden' })}
      >
        Seen only
      </button>
    </div>
  );
}

/** Names that come in over the network are offered where they can be told apart by looking; any may be typed. */
function DecoyFilter({ decoy, onDecoy }: { decoy: string; onDecoy: (decoy: string) => void }) {
  const { data: sensors } = query.useQuery('get', '/api/v1/ops/sensors');
  const names = readable(sensors?.map((sensor) => sensor.name));
  const list = useId();
  return (
    <div className="field">
      <input
        key={decoy}
        list={list}
        aria-label="Decoy"
        placeholder="Any decoy"
        maxLength={255}
        size={12}
        defaultValue={decoy}
        onBlur={(event) => event.target.value !== decoy && onDecoy(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && onDecoy(event.currentTarget.value)}
        onInput={(event) => names.includes(event.currentTarget.value) && onDecoy(event.currentTarget.value)}
      />
      <datalist id={list}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </div>
  );
}

function readable(names: readonly string[] = []): readonly string[] {
  return names.filter((name) => pieces(name).every(({ isSign }) => !isSign));
}

function KindFilter({ kind, onKind }: { kind: string; onKind: (kind: string) => void }) {
  const { data: rules } = query.useQuery('get', '/api/v1/ttp/rules');
  const kinds = new Set(rules?.flatMap((rule) => rule.applies_to));
  if (kind !== '') kinds.add(kind);
  return (
    <select className="select" aria-label="Source kind" value={kind} onChange={(event) => onKind(event.target.value)}>
      <option value="">Any source kind</option>
      {[...kinds].toSorted().map((one) => (
        <option key={one} value={one}>
          {one.replaceAll('_', ' ')}
        </option>
      ))}
    </select>
  );
}
