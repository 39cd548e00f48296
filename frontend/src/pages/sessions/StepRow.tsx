import { memo, useState } from 'react';

import type { Schemas } from '../../api/client';
import { useNames } from '../../api/matrix';
import { exactId, TagChip } from '../../parts/Technique';
import { usePreferences } from '../../view/preferences';
import { moment, offset } from '../../view/time';
import { isNote, rawOf } from './step';
import { StepBody } from './StepBody';

const SECOND_US = 1_000_000;
const TENTH_US = 100_000;

interface Props {
  step: Schemas['Step'];
  /** What time is counted from, µs UTC. */
  zero: number;
  isPicked: boolean;
  index: number;
}

/** One step: when, what, and what it means. */
export const StepRow = memo(function StepRow({ step, zero, isPicked, index }: Props) {
  const names = useNames();
  const { zone } = usePreferences();
  const [pointed, setPointed] = useState<string | null>(null);
  const tags = distinct(step.tags);
  const marked = pointed === null ? step.tags : step.tags.filter((tag) => tag.uuid === pointed);
  const since = step.observed_at - zero;
  return (
    <div className="step" data-note={isNote(step)} data-picked={isPicked} data-kind={step.source_kind}>
      <time
        className="step-when"
        dateTime={new Date(step.observed_at / 1000).toISOString()}
        title={moment(step.observed_at, zone)}
      >
        {since < 0 ? 'before' : `${offset(since)}.${Math.floor((since % SECOND_US) / TENTH_US)}`}
      </time>
      <div className="step-what">
        <StepBody step={step} marked={marked} />
        <Copy text={rawOf(step)} index={index} />
      </div>
      <div className="step-tags">
        {tags.map((tag) => (
          <span
            key={tag.uuid}
            onPointerEnter={() => setPointed(tag.uuid)}
            onPointerLeave={() => setPointed(null)}
            onFocus={() => setPointed(tag.uuid)}
            onBlur={() => setPointed(null)}
          >
            <TagChip tag={tag} name={names.of(exactId(tag))} />
          </span>
        ))}
      </div>
    </div>
  );
});

/** Puts the text as it was sent onto the clipboard. */
function Copy({ text, index }: { text: string; index: number }) {
  const [isDone, setDone] = useState(false);
  // browsers give the clipboard to pages over TLS and on the own machine only
  if (!('clipboard' in navigator)) return null;
  return (
    <button
      type="button"
      className="button quiet small step-copy"
      aria-label={`Copy step ${index + 1}`}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}
      onBlur={() => setDone(false)}
    >
      {isDone ? 'copied' : 'copy'}
    </button>
  );
}

/** One chip per technique: several rules may say the same of a step. */
function distinct(tags: readonly Schemas['Tag'][]): Schemas['Tag'][] {
  const seen = new Set<string>();
  return tags.filter((tag) => {
    const id = exactId(tag);
    return !seen.has(id) && seen.add(id);
  });
}
