import { usePreferences } from '../view/preferences';
import { clock, day } from '../view/time';
import './axis.css';
import { isByDays, type Scale } from './timescale';

const DAY_US = 86_400_000_000;
const SECONDS = ':00';

/** The times above lanes; each day is named once. */
export function Axis({ scale }: { scale: Scale }) {
  const { zone } = usePreferences();
  const labels = scale.ticks.map((tick, index) => {
    const date = day(tick, zone);
    const before = scale.ticks[index - 1];
    if (isByDays(scale)) return date;
    const time = clock(tick, zone);
    const short = scale.step % 60_000_000 === 0 && time.endsWith(SECONDS) ? time.slice(0, -SECONDS.length) : time;
    return before === undefined || day(before, zone) !== date ? `${date} ${short}` : short;
  });
  return (
    <div className="axis" aria-hidden="true">
      {scale.ticks.map((tick, index) => (
        <span key={tick} style={{ left: `${scale.at(tick)}%` }} data-day={tick % DAY_US === 0}>
          {labels[index]}
        </span>
      ))}
    </div>
  );
}
