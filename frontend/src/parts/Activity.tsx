import { useCallback, useMemo, useState } from 'react';

import { useMatrix } from '../api/matrix';
import type { Schemas } from '../api/client';
import { tacticColour } from '../design/tactics';
import { count } from '../view/numbers';
import { usePreferences, type Preferences } from '../view/preferences';
import { clock, day } from '../view/time';
import { useView } from '../view/useView';
import './activity.css';
import { Table, type Column } from './Table';
import { TimeBars } from './TimeBars';
import { bars as barsOf, total, type Bars } from './timeBars';

interface Props {
  activity: Schemas['Activity'];
  height?: number;
  /** As numbers in a table. */
  isTable?: boolean;
}

const US_PER_S = 1_000_000;
const HOUR_S = 3_600;

/** How tags run over time, by tactic. Pointing tells the numbers; drawing over a stretch goes there. */
export function Activity({ activity, height = 104, isTable = false }: Props) {
  const { data: matrix } = useMatrix();
  const { change } = useView();
  const { zone } = usePreferences();
  const [at, setAt] = useState<number | null>(null);
  const bars = useMemo(() => {
    const kinds = matrix?.tactics.map(({ id, name }, place) => ({ id, name, colour: tacticColour(place) }));
    return barsOf(activity, kinds ?? []);
  }, [activity, matrix]);
  const pick = useCallback((since: number, until: number) => change({ since, until, range: undefined }), [change]);
  if (isTable) return <Numbers bars={bars} zone={zone} />;
  const start = at === null ? undefined : bars.starts[at];
  return (
    <div className="activity">
      <TimeBars bars={bars} label={summary(bars, zone)} height={height} onPoint={setAt} onPick={pick} />
      <p className="activity-when dim small">
        {start === undefined ? `Tags per ${unit(bars)}` : stretchName(start, bars, zone)}
      </p>
      <ul className="activity-legend">
        {bars.series.toReversed().map(({ id, name, colour, values }) => (
          <li key={id}>
            <i style={{ background: colour }} />
            <span>{name}</span>
            <b>{count(at === null ? total(values) : (values[at] ?? 0))}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

function unit(bars: Bars): string {
  return bars.length_s === HOUR_S ? 'hour' : 'day (UTC)';
}

/** `2026-11-23 14:00`, or the day: days are those of UTC. */
function stretchName(start: number, bars: Bars, zone: Preferences['zone']): string {
  const us = start * US_PER_S;
  return bars.length_s === HOUR_S ? `${day(us, zone)} ${clock(us, zone).slice(0, 5)}` : day(us, 'utc');
}

/** What the picture shows, in one sentence. */
function summary(bars: Bars, zone: Preferences['zone']): string {
  const sums = bars.starts.map((_, index) => total(bars.series.map(({ values }) => values[index] ?? 0)));
  const most = Math.max(0, ...sums);
  const [first, peak] = [bars.starts[0] ?? 0, bars.starts[sums.indexOf(most)] ?? 0];
  const tactics = bars.series
    .toSorted((one, other) => total(other.values) - total(one.values))
    .slice(0, 3)
    .map(({ name }) => name);
  return (
    `Tags per ${unit(bars)} since ${stretchName(first, bars, zone)}: ${count(total(sums))} in all, ` +
    `most (${count(most)}) at ${stretchName(peak, bars, zone)}; mainly ${tactics.join(', ')}`
  );
}

interface Row {
  start: number;
  tactic: string;
  count: number;
}

function Numbers({ bars, zone }: { bars: Bars; zone: Preferences['zone'] }) {
  const rows: Row[] = bars.starts
    .flatMap((start, index) =>
      bars.series.map(({ name, values }) => ({ start, tactic: name, count: values[index] ?? 0 })),
    )
    .filter((row) => row.count > 0)
    .reverse();
  const columns: Column<Row>[] = [
    {
      name: bars.length_s === HOUR_S ? 'hour' : 'day (UTC)',
      width: 'minmax(120px, 1fr)',
      cell: (row) => stretchName(row.start, bars, zone),
      value: (row) => stretchName(row.start, bars, zone),
    },
    { name: 'tactic', width: 'minmax(120px, 2fr)', cell: (row) => row.tactic, value: (row) => row.tactic },
    { name: 'tags', width: '80px', cell: (row) => count(row.count), value: (row) => row.count, isNumber: true },
  ];
  return (
    <Table
      label="Tags over time"
      columns={columns}
      rows={rows}
      keyOf={(row) => `${row.start} ${row.tactic}`}
      isSortable
      height="260px"
    />
  );
}
