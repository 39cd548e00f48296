import type { Schemas } from '../../api/client';
import { count } from '../../view/numbers';
import { length } from '../../view/time';

export interface Verdict {
  isWell: boolean;
  text: string;
}

/** A sensor that says nothing for so long is likely cut off. */
const QUIET_S = 3_600;
/** A worker that is so far behind does not keep up. */
const BEHIND_S = 30;

interface State {
  sensors: readonly Schemas['SensorHealth'][];
  workers: Schemas['Workers'];
  dead: readonly Schemas['Dead'][];
  refusals: readonly Schemas['Refusals'][];
}

/** Why nothing comes in, or that all is well: the worst first. */
export function verdicts({ sensors, workers, dead, refusals }: State): Verdict[] {
  const behind = workers.workers.filter((one) => one.oldest_age_s > BEHIND_S);
  const quiet = sensors.filter((one) => one.quiet_s > QUIET_S);
  const found: Verdict[] = [];
  for (const one of behind) {
    const age = length(one.oldest_age_s * 1_000_000);
    found.push(
      bad(`The worker ${one.name} is ${age} behind, with ${count(one.waiting)} messages waiting. Is it running?`),
    );
  }
  if (dead.length > 0) found.push(bad(`${count(dead.length)} messages could not be handled: see the dead letters.`));
  if (sensors.length === 0) found.push(bad('No sensor was heard yet.'));
  else if (quiet.length === sensors.length)
    found.push(bad(`Every sensor has been quiet for over an hour: nothing comes in.`));
  else if (quiet.length > 0)
    found.push(bad(`${count(quiet.length)} of ${count(sensors.length)} sensors have been quiet for over an hour.`));
  const refused = refusals.reduce((sum, one) => sum + one.count, 0);
  if (refused > 0) found.push(bad(`${count(refused)} records were refused at the intake: see the reasons.`));
  return found.length > 0 ? found : [{ isWell: true, text: 'Records come in, and every worker keeps up.' }];
}

function bad(text: string): Verdict {
  return { isWell: false, text };
}
