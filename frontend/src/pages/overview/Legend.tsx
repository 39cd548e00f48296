import { confidencePaint, countPaint } from '../../design/heat';
import { count } from '../../view/numbers';
import type { Colour } from './search';

const STOPS = [0, 0.2, 0.4, 0.6, 0.8, 1];

interface Props {
  colour: Colour;
  /** Highest count of a cell. */
  most: number;
  elsewhere: number;
}

/** What the colours and marks of the matrix mean. */
export function Legend({ colour, most, elsewhere }: Props) {
  const paint = colour === 'count' ? countPaint : confidencePaint;
  const scale = `linear-gradient(to right, ${STOPS.map((stop) => paint(stop).background).join(', ')})`;
  return (
    <p className="overview-legend">
      <span>
        {colour === 'count' ? 'Tags, by logarithm' : 'Highest confidence'}
        <b>{colour === 'count' ? '1' : '≤ 0.5'}</b>
        <i className="scale" style={{ background: scale }} />
        <b>{colour === 'count' ? count(Math.max(1, most)) : '1'}</b>
      </span>
      <span>
        <i className="bar" />
        highest confidence
      </span>
      <span>
        <i className="matrix-new" />
        new since yesterday
      </span>
      <span>
        <b>▸2</b> sub-techniques seen
      </span>
      {elsewhere > 0 && <span>{count(elsewhere)} tags under tactics of another release</span>}
    </p>
  );
}
