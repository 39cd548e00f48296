import { useState } from 'react';

import { query, type Schemas } from '../../api/client';
import { Hostile } from '../../parts/Hostile';
import { Answer } from '../../parts/States';

interface Props {
  step: Schemas['Step'];
  field: string;
}

/** Replays cut longer texts, and say so by an ellipsis. */
const MOST_CHARACTERS = 4_096;

/** A way to the whole of a text of which the replay has only the beginning. */
export function WholeText({ step, field }: Props) {
  const [isAsked, setAsked] = useState(false);
  const text = step.payload[field];
  const event = query.useQuery(
    'get',
    '/api/v1/events/{uuid}',
    { params: { path: { uuid: step.id } } },
    { enabled: isAsked },
  );
  if (typeof text !== 'string' || !text.endsWith('…') || text.length < MOST_CHARACTERS) return null;
  if (!isAsked) {
    return (
      <button type="button" className="button quiet small" onClick={() => setAsked(true)}>
        fetch the whole text
      </button>
    );
  }
  return (
    <Answer of={event} rows={2}>
      {({ payload }) => <Hostile text={String(payload[field])} />}
    </Answer>
  );
}
