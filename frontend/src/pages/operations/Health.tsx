import { query, type Schemas } from '../../api/client';
import { useIsAdmin } from '../../frame/useMe';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer, Empty, Fault } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { length } from '../../view/time';
import { verdicts } from './verdict';

const EVERY = { refetchInterval: 5_000 };
const HEIGHT = '320px';

const SENSORS: Column<Schemas['SensorHealth']>[] = [
  {
    name: 'Sensor',
    width: 'minmax(120px, 2fr)',
    value: (one) => one.name,
    cell: (one) => <Hostile line text={one.name} />,
  },
  { name: 'Last event', width: '170px', value: (one) => one.heard_at, cell: (one) => <When us={one.heard_at} /> },
  {
    name: 'Quiet for',
    width: '110px',
    value: (one) => Math.round(one.quiet_s),
    cell: (one) => length(one.quiet_s * 1_000_000),
    isNumber: true,
  },
];
const WORKERS: Column<Schemas['WorkerHealth']>[] = [
  { name: 'Worker', width: 'minmax(120px, 2fr)', value: (one) => one.name, cell: (one) => one.name },
  { name: 'Waiting', width: '90px', value: (one) => one.waiting, cell: (one) => count(one.waiting), isNumber: true },
  {
    name: 'Behind',
    width: '110px',
    value: (one) => one.oldest_age_s,
    cell: (one) => length(one.oldest_age_s * 1_000_000),
    isNumber: true,
  },
];
const REFUSALS: Column<Schemas['Refusals']>[] = [
  { name: 'Sensor', width: '130px', value: (one) => one.sensor, cell: (one) => <Hostile line text={one.sensor} /> },
  {
    name: 'Reason',
    width: 'minmax(140px, 1.4fr)',
    value: (one) => one.reason,
    cell: (one) => <Hostile line text={one.reason} />,
  },
  { name: 'Count', width: '80px', value: (one) => one.count, cell: (one) => count(one.count), isNumber: true },
  { name: 'Last', width: '170px', value: (one) => one.last_seen, cell: (one) => <When us={one.last_seen} /> },
  {
    name: 'First of them',
    width: 'minmax(140px, 2fr)',
    value: (one) => one.example,
    cell: (one) => <Hostile line text={one.example} />,
  },
];

/** Sensors, workers, what was refused and what could not be handled. */
export function Health() {
  const sensors = query.useQuery('get', '/api/v1/ops/sensors', {}, EVERY);
  const workers = query.useQuery('get', '/api/v1/ops/workers', {}, EVERY);
  const refusals = query.useQuery('get', '/api/v1/ops/refusals', {}, EVERY);
  const dead = query.useQuery('get', '/api/v1/ops/deadletters', {}, EVERY);
  const isKnown = sensors.data && workers.data && refusals.data && dead.data;
  return (
    <>
      {isKnown && (
        <ul className="verdicts" aria-label="How it is">
          {verdicts({
            sensors: sensors.data,
            workers: workers.data,
            refusals: refusals.data.items,
            dead: dead.data,
          }).map(({ isWell, text }) => (
            <li key={text} data-well={isWell}>
              {text}
            </li>
          ))}
        </ul>
      )}
      <div className="pair">
        <Panel flush title="Sensors" actions={<SaveCsv columns={SENSORS} rows={sensors.data ?? []} name="sensors" />}>
          <Answer of={sensors}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty run="decnet serve /path/to/cowrie.json">No sensor was heard yet.</Empty>
              ) : (
                <Table
                  label="Sensors"
                  columns={SENSORS}
                  rows={rows}
                  keyOf={(one) => one.name}
                  isSortable
                  height={HEIGHT}
                />
              )
            }
          </Answer>
        </Panel>
        <Panel
          flush
          title="Workers"
          actions={
            <>
              {workers.data && <span className="dim">{count(workers.data.outbox)} messages stored</span>}
              <SaveCsv columns={WORKERS} rows={workers.data?.workers ?? []} name="workers" />
            </>
          }
        >
          <Answer of={workers}>
            {(data) => (
              <>
                <Table
                  label="Workers"
                  columns={WORKERS}
                  rows={data.workers}
                  keyOf={(one) => one.name}
                  height={HEIGHT}
                />
                {Object.entries(data.leases).map(([what, who]) => (
                  <p key={what} className="lease dim">
                    {what} is done by <span className="mono">{who}</span>
                  </p>
                ))}
              </>
            )}
          </Answer>
        </Panel>
      </div>
      <Panel
        flush
        title="Refused at the intake"
        actions={<SaveCsv columns={REFUSALS} rows={refusals.data?.items ?? []} name="refusals" />}
      >
        <Answer of={refusals} rows={3}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>No record was refused.</Empty>
            ) : (
              <Table
                label="Refusals"
                columns={REFUSALS}
                rows={items}
                keyOf={(one) => `${one.sensor} ${one.reason}`}
                isSortable
                height={HEIGHT}
              />
            )
          }
        </Answer>
      </Panel>
      <Panel flush title="Dead letters">
        <Answer of={dead} rows={3}>
          {(rows) =>
            rows.length === 0 ? (
              <Empty>Everything could be handled.</Empty>
            ) : (
              <DeadLetters rows={rows} again={dead.refetch} />
            )
          }
        </Answer>
      </Panel>
    </>
  );
}

function DeadLetters({ rows, again }: { rows: readonly Schemas['Dead'][]; again: () => unknown }) {
  const isAdmin = useIsAdmin();
  const replay = query.useMutation('post', '/api/v1/ops/deadletters/{letter_id}/replay', {
    onSuccess: () => void again(),
  });
  const columns: Column<Schemas['Dead']>[] = [
    { name: 'Worker', width: '110px', value: (one) => one.worker, cell: (one) => one.worker },
    { name: 'Topic', width: '170px', value: (one) => one.topic, cell: (one) => one.topic },
    {
      name: 'Why',
      width: 'minmax(160px, 2fr)',
      value: (one) => one.error,
      cell: (one) => <Hostile line text={one.error} />,
    },
    { name: 'Tries', width: '60px', value: (one) => one.tries, cell: (one) => one.tries, isNumber: true },
    { name: 'Given up', width: '170px', value: (one) => one.died_at, cell: (one) => <When us={one.died_at} /> },
    {
      name: 'Again',
      width: '90px',
      value: () => '',
      cell: (one) =>
        isAdmin && (
          <button
            type="button"
            className="button small"
            disabled={replay.isPending}
            onClick={() => replay.mutate({ params: { path: { letter_id: one.id } } })}
          >
            Replay
          </button>
        ),
    },
  ];
  return (
    <>
      {replay.error && <Fault error={replay.error} />}
      <Table label="Dead letters" columns={columns} rows={rows} keyOf={(one) => one.id} height={HEIGHT} />
    </>
  );
}
