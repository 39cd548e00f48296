import { confidencePaint } from '../design/heat';
import { confidence } from '../view/numbers';

/** How sure, as a bar and as a number. */
export function Confidence({ value }: { value: number }) {
  return (
    <span className="confidence" title={`confidence ${confidence(value)}`}>
      <span className="track" aria-hidden="true">
        <i style={{ width: `${value * 100}%`, background: confidencePaint(value).background }} />
      </span>
      {confidence(value)}
    </span>
  );
}
