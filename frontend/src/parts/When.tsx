import { usePreferences } from '../view/preferences';
import { ago, moment } from '../view/time';
import { useMinute } from '../view/useMinute';

const MINUTE_MS = 60_000;

/** A time, in the zone of the reader's choice; `relative` says how long ago it was, and the time in its title. */
export function When({ us, relative = false }: { us: number; relative?: boolean }) {
  const { zone } = usePreferences();
  const minute = useMinute();
  const exact = moment(us, zone);
  // A minute is told when it is over: what was seen within it is no future.
  const now = us / 1000 < minute + MINUTE_MS ? Math.max(minute, us / 1000 + 1) : minute;
  return (
    <time dateTime={new Date(us / 1000).toISOString()} title={relative ? exact : ago(us, now)}>
      {relative ? ago(us, now) : exact}
    </time>
  );
}
