import { Link } from '@tanstack/react-router';

import { confidencePaint } from '../design/heat';
import { confidence } from '../view/numbers';
import { useView } from '../view/useView';

/** The id that says most: that of the sub-technique where there is one. */
export function exactId(of: { technique_id: string; sub_technique_id: string | null }): string {
  return of.sub_technique_id ?? of.technique_id;
}

/** A technique, leading to its page. */
export function TechniqueLink({ id, name }: { id: string; name?: string }) {
  return (
    <Link to="/techniques/$id" params={{ id }}>
      <b>{id}</b>
      {name !== undefined && name !== '' && ` ${name}`}
    </Link>
  );
}

interface ChipProps {
  tag: {
    observed_at: number;
    uuid: string;
    technique_id: string;
    sub_technique_id: string | null;
    confidence: number;
  };
  name?: string | undefined;
}

/** A tag: opens the drawer with its evidence. */
export function TagChip({ tag, name }: ChipProps) {
  const { change } = useView();
  return (
    <button type="button" className="chip" onClick={() => change({ tag: `${tag.observed_at}.${tag.uuid}` })}>
      <svg width="8" height="8" aria-hidden="true">
        <circle cx="4" cy="4" r="4" fill={confidencePaint(tag.confidence).background} />
      </svg>
      <b>{exactId(tag)}</b>
      {name !== undefined && <span>{name}</span>}
      <span className="dim">{confidence(tag.confidence)}</span>
    </button>
  );
}
