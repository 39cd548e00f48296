import type { Schemas } from '../api/client';
import { EventBody } from './EventBody';
import { Hostile } from './Hostile';
import { stretchOfBytes } from './hostile';

interface Props {
  tag: Pick<Schemas['Tag'], 'evidence'>;
  /** The event's own payload, once it is known: what matched is then shown where it stands. */
  payload?: Record<string, unknown> | undefined;
}

/** What proves a tag: the line with what matched, what was decoded to see it, and the terms of the rule that held. */
export function Evidence({ tag, payload }: Props) {
  const { matched, start, end, decoded, command, terms, ...rest } = tag.evidence;
  const line = payload?.['command_text'];
  const isPlaced = typeof line === 'string' && typeof start === 'number' && typeof end === 'number';
  const isSame = command === matched || command === line;
  return (
    <>
      {isPlaced ? (
        <Hostile text={line} stretches={[stretchOfBytes(line, start, end)]} />
      ) : (
        texts(matched).map((text, index) => <Hostile key={index} text={text} />)
      )}
      {texts(decoded).map((text, index) => (
        <DecodeStep key={index} step={text} />
      ))}
      {typeof command === 'string' && !isSame && (
        <p className="small">
          <span className="dim">runs as </span>
          <Hostile text={command} />
        </p>
      )}
      {Object.keys(rest).length > 0 && <EventBody payload={rest} />}
      {texts(terms).length > 0 && (
        <p className="dim small">
          held: <span className="mono">{texts(terms).join(', ')}</span>
        </p>
      )}
    </>
  );
}

/** One layer that was unfolded: `base64: …`, what it is called and what it gave. */
export function DecodeStep({ step }: { step: string }) {
  const at = step.indexOf(': ');
  return (
    <div className="decoded">
      <span className="badge">{at < 0 ? 'decoded' : step.slice(0, at)}</span>{' '}
      <Hostile text={at < 0 ? step : step.slice(at + 2)} />
    </div>
  );
}

function texts(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all.filter((one) => typeof one === 'string');
}
