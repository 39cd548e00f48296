import { useState } from 'react';

import type { ActorSearch } from '../view/filters';

interface Props {
  search: ActorSearch;
  change: (part: { [K in keyof ActorSearch]?: ActorSearch[K] | undefined }) => void;
  hasAddress?: boolean;
}

/** How a list of actors is narrowed down and ordered. */
export function ActorFilters({ search, change, hasAddress = false }: Props) {
  return (
    <>
      {hasAddress && (
        <TextFilter
          key={`address ${search.address ?? ''}`}
          label="Address begins with"
          value={search.address ?? ''}
          form="[0-9a-fA-F.:]{0,45}"
          onDone={(address) => change({ address: address || undefined })}
        />
      )}
      <TextFilter
        key={`technique ${search.technique ?? ''}`}
        label="Technique"
        value={search.technique ?? ''}
        form="T[0-9]{4}(\.[0-9]{3})?"
        onDone={(technique) => change({ technique: technique || undefined })}
      />
      <label className="row small">
        <span className="dim">Order</span>
        <select
          className="select"
          value={search.sort ?? 'last_seen'}
          onChange={(event) => change({ sort: event.target.value === 'techniques' ? 'techniques' : undefined })}
        >
          <option value="last_seen">last seen first</option>
          <option value="techniques">most techniques first</option>
        </select>
      </label>
    </>
  );
}

interface TextProps {
  label: string;
  value: string;
  /** What may be typed, as a pattern of HTML. */
  form: string;
  onDone: (value: string) => void;
}

/** A word to filter by; it counts once Enter is pressed or the field is left. */
export function TextFilter({ label, value, form, onDone }: TextProps) {
  const [text, setText] = useState(value);
  const done = (input: HTMLInputElement) => {
    if (input.reportValidity() && text !== value) onDone(text.trim());
  };
  return (
    <label className="row small">
      <span className="dim">{label}</span>
      <input
        className="select text-filter"
        value={text}
        pattern={form}
        size={14}
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && done(event.currentTarget)}
        onBlur={(event) => done(event.currentTarget)}
      />
    </label>
  );
}
