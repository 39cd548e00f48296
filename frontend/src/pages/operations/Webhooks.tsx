import { useState, type SubmitEvent } from 'react';

import { query, type Schemas } from '../../api/client';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer, Empty, Fault } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { confidence } from '../../view/numbers';
import { ShownOnce } from './Shown';

const HEIGHT = '360px';
const FLOORS = [0, 0.6, 0.7, 0.8, 0.9];

/** Who is told of tags as they come: webhooks and syslog. */
export function Webhooks() {
  const hooks = query.useQuery('get', '/api/v1/webhooks');
  const again = { onSuccess: () => void hooks.refetch() };
  const changing = query.useMutation('patch', '/api/v1/webhooks/{number}', again);
  const removing = query.useMutation('delete', '/api/v1/webhooks/{number}', again);
  const testing = query.useMutation('post', '/api/v1/webhooks/{number}/test');
  const [picked, setPicked] = useState<Schemas['Webhook'] | null>(null);
  const path = (one: Schemas['Webhook']) => ({ params: { path: { number: one.id } } });
  const columns: Column<Schemas['Webhook']>[] = [
    { name: 'Name', width: 'minmax(90px, 1fr)', value: (one) => one.name, cell: (one) => one.name },
    {
      name: 'Address',
      width: 'minmax(140px, 2fr)',
      value: (one) => one.url,
      cell: (one) => <Hostile line text={one.url} />,
    },
    { name: 'Format', width: '76px', value: (one) => one.format, cell: (one) => one.format },
    { name: 'Wants', width: 'minmax(110px, 1.2fr)', value: wants, cell: wants },
    { name: 'Failures', width: '70px', value: (one) => one.failures, cell: (one) => one.failures, isNumber: true },
    {
      name: 'Change',
      width: '300px',
      value: () => '',
      cell: (one) => (
        <span className="row">
          <button type="button" className="button small" onClick={() => testing.mutate(path(one))}>
            Test
          </button>
          <button type="button" className="button small" onClick={() => setPicked(one)}>
            Deliveries
          </button>
          <button
            type="button"
            className="button small"
            onClick={() => changing.mutate({ ...path(one), body: { disabled: one.disabled_at === null } })}
          >
            {one.disabled_at === null ? 'Disable' : 'Enable'}
          </button>
          <button type="button" className="button small" onClick={() => removing.mutate(path(one))}>
            Remove
          </button>
        </span>
      ),
    },
  ];
  const error = changing.error ?? removing.error ?? testing.error;
  return (
    <>
      <Panel
        flush
        title="Webhooks and syslog"
        actions={<SaveCsv columns={columns} rows={hooks.data ?? []} name="webhooks" />}
      >
        <NewHook onMade={() => void hooks.refetch()} />
        {error && <Fault error={error} />}
        {testing.isSuccess && (
          <p className="lease" role="status">
            A test alert is on its way; see its deliveries.
          </p>
        )}
        <Answer of={hooks} rows={3}>
          {(rows) =>
            rows.length === 0 ? (
              <Empty run="decnet webhook add NAME https://soc.example.org/alerts">Nobody is told of tags yet.</Empty>
            ) : (
              <Table label="Webhooks" columns={columns} rows={rows} keyOf={(one) => String(one.id)} height={HEIGHT} />
            )
          }
        </Answer>
      </Panel>
      {picked && <Deliveries key={picked.id} hook={picked} />}
    </>
  );
}

function wants(hook: Schemas['Webhook']): string {
  const what = [...hook.techniques, ...hook.tactics];
  return `${what.length > 0 ? what.join(' ') : 'all'} ≥ ${confidence(hook.min_confidence)}`;
}

function NewHook({ onMade }: { onMade: () => void }) {
  const [name, setName] = useState('');
  const [url, setUrl] = useState('');
  const [techniques, setTechniques] = useState('');
  const [floor, setFloor] = useState(0.6);
  const making = query.useMutation('post', '/api/v1/webhooks', { onSuccess: onMade });
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const wanted = techniques.split(/[\s,]+/).filter(Boolean);
    making.mutate({ body: { name, url, techniques: wanted, min_confidence: floor, per_minute: 60 } });
  };
  return (
    <form className="row maker" onSubmit={send} aria-label="New webhook">
      <label className="row">
        Name{' '}
        <input
          className="select"
          required
          value={name}
          maxLength={64}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <label className="row">
        Address
        <input
          className="select"
          required
          size={28}
          placeholder="https://… or udp://HOST:PORT"
          value={url}
          onChange={(event) => setUrl(event.target.value)}
        />
      </label>
      <label className="row">
        Techniques
        <input
          className="select"
          size={14}
          placeholder="all"
          value={techniques}
          onChange={(event) => setTechniques(event.target.value)}
        />
      </label>
      <label className="row">
        From
        <select className="select" value={floor} onChange={(event) => setFloor(Number(event.target.value))}>
          {FLOORS.map((one) => (
            <option key={one} value={one}>
              {confidence(one)}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" className="button" disabled={making.isPending}>
        Add webhook
      </button>
      {making.error && <Fault error={making.error} />}
      {making.data?.secret && (
        <ShownOnce
          what={`What alerts to ${making.data.name} are signed with`}
          secret={making.data.secret}
          onClose={making.reset}
        />
      )}
    </form>
  );
}

function Deliveries({ hook }: { hook: Schemas['Webhook'] }) {
  const path = { number: hook.id };
  const list = query.useQuery(
    'get',
    '/api/v1/webhooks/{number}/deliveries',
    { params: { path } },
    { refetchInterval: 3_000 },
  );
  const replay = query.useMutation('post', '/api/v1/webhooks/{number}/deliveries/{delivery}/replay', {
    onSuccess: () => void list.refetch(),
  });
  const columns: Column<Schemas['Delivery']>[] = [
    { name: 'Made', width: '170px', value: (one) => one.created_at, cell: (one) => <When us={one.created_at} /> },
    { name: 'Kind', width: '96px', value: (one) => one.kind, cell: (one) => one.kind },
    { name: 'State', width: '90px', value: (one) => one.state, cell: (one) => one.state },
    { name: 'Tries', width: '56px', value: (one) => one.tries, cell: (one) => one.tries, isNumber: true },
    {
      name: 'Why it failed',
      width: 'minmax(120px, 2fr)',
      value: (one) => one.error,
      cell: (one) => <Hostile line text={one.error} />,
    },
    {
      name: 'Again',
      width: '84px',
      value: () => '',
      cell: (one) =>
        one.state === 'dead' && (
          <button
            type="button"
            className="button small"
            onClick={() => replay.mutate({ params: { path: { ...path, delivery: one.id } } })}
          >
            Replay
          </button>
        ),
    },
  ];
  return (
    <Panel flush title={`Deliveries to ${hook.name}`}>
      <Answer of={list} rows={3}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>Nothing was sent yet.</Empty>
          ) : (
            <Table label="Deliveries" columns={columns} rows={items} keyOf={(one) => String(one.id)} height={HEIGHT} />
          )
        }
      </Answer>
    </Panel>
  );
}
