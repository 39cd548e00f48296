import { useState, type SubmitEvent } from 'react';

import { query, type Schemas } from '../../api/client';
import { Panel } from '../../parts/Panel';
import { Answer, Empty, Fault } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { ShownOnce } from './Shown';

const HEIGHT = '300px';

/** Users, keys of programs, and tokens of sensors. */
export function Accounts() {
  return (
    <>
      <Users />
      <div className="pair">
        <Tokens kind="keys" />
        <Tokens kind="sensors" />
      </div>
    </>
  );
}

function Users() {
  const users = query.useQuery('get', '/api/v1/users');
  const again = { onSuccess: () => void users.refetch() };
  const making = query.useMutation('post', '/api/v1/users', again);
  const changing = query.useMutation('patch', '/api/v1/users/{number}', again);
  const [name, setName] = useState('');
  const [role, setRole] = useState<'viewer' | 'admin'>('viewer');
  const columns: Column<Schemas['User']>[] = [
    { name: 'Name', width: 'minmax(120px, 2fr)', value: (one) => one.name, cell: (one) => one.name },
    { name: 'Role', width: '90px', value: (one) => one.role, cell: (one) => one.role },
    { name: 'Since', width: '170px', value: (one) => one.created_at, cell: (one) => <When us={one.created_at} /> },
    {
      name: 'State',
      width: '90px',
      value: (one) => (one.disabled_at === null ? 'active' : 'disabled'),
      cell: (one) => (one.disabled_at === null ? 'active' : <span className="badge fault">disabled</span>),
    },
    {
      name: 'Change',
      width: '190px',
      value: () => '',
      cell: (one) => (
        <span className="row">
          <button
            type="button"
            className="button small"
            onClick={() =>
              changing.mutate({
                params: { path: { number: one.id } },
                body: { role: one.role === 'admin' ? 'viewer' : 'admin' },
              })
            }
          >
            Make {one.role === 'admin' ? 'viewer' : 'admin'}
          </button>
          <button
            type="button"
            className="button small"
            onClick={() =>
              changing.mutate({ params: { path: { number: one.id } }, body: { disabled: one.disabled_at === null } })
            }
          >
            {one.disabled_at === null ? 'Disable' : 'Enable'}
          </button>
        </span>
      ),
    },
  ];
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    making.mutate({ body: { name, role } }, { onSuccess: () => setName('') });
  };
  return (
    <Panel flush title="Users" actions={<SaveCsv columns={columns} rows={users.data ?? []} name="users" />}>
      <form className="row maker" onSubmit={send} aria-label="New user">
        <NameField name={name} onName={setName} />
        <label className="row">
          Role
          <select className="select" value={role} onChange={(event) => setRole(event.target.value as typeof role)}>
            <option value="viewer">viewer</option>
            <option value="admin">admin</option>
          </select>
        </label>
        <button type="submit" className="button" disabled={making.isPending}>
          Add user
        </button>
      </form>
      {(making.error ?? changing.error) && <Fault error={making.error ?? changing.error} />}
      <Answer of={users} rows={3}>
        {(rows) => (
          <Table label="Users" columns={columns} rows={rows} keyOf={(one) => String(one.id)} height={HEIGHT} />
        )}
      </Answer>
      {making.data?.password && (
        <ShownOnce what={`The password of ${making.data.name}`} secret={making.data.password} onClose={making.reset} />
      )}
    </Panel>
  );
}

const KINDS = {
  keys: { title: 'Keys of programs', add: 'Add key', none: 'No program has a key.', run: 'decnet key add NAME' },
  sensors: {
    title: 'Tokens of sensors',
    add: 'Add sensor',
    none: 'No sensor hands in records over the API.',
    run: 'decnet sensor add NAME',
  },
} as const;
type Scope = NonNullable<Schemas['NewKey']['scope']>;

function Tokens({ kind }: { kind: keyof typeof KINDS }) {
  const { title, add, none, run } = KINDS[kind];
  const keys = query.useQuery('get', `/api/v1/${kind}`);
  const again = { onSuccess: () => void keys.refetch() };
  const makingKey = query.useMutation('post', '/api/v1/keys', again);
  const makingSensor = query.useMutation('post', '/api/v1/sensors', again);
  const making = kind === 'keys' ? makingKey : makingSensor;
  const revoking = query.useMutation('delete', `/api/v1/${kind}/{number}`, again);
  const [name, setName] = useState('');
  const [scope, setScope] = useState<Scope>('viewer');
  const columns: Column<Schemas['Key']>[] = [
    { name: 'Name', width: 'minmax(90px, 2fr)', value: (one) => one.name, cell: (one) => one.name },
    { name: 'Scope', width: '76px', value: (one) => one.scope, cell: (one) => one.scope },
    { name: 'By', width: 'minmax(70px, 1fr)', value: (one) => one.created_by, cell: (one) => one.created_by },
    {
      name: 'Since',
      width: '100px',
      value: (one) => one.created_at,
      cell: (one) => <When us={one.created_at} relative />,
    },
    {
      name: 'State',
      width: '92px',
      value: (one) => (one.revoked_at === null ? 'active' : 'revoked'),
      cell: (one) =>
        one.revoked_at === null ? (
          <button
            type="button"
            className="button small"
            onClick={() => revoking.mutate({ params: { path: { number: one.id } } })}
          >
            Revoke
          </button>
        ) : (
          'revoked'
        ),
    },
  ];
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const done = { onSuccess: () => setName('') };
    if (kind === 'keys') makingKey.mutate({ body: { name, scope } }, done);
    else makingSensor.mutate({ body: { name } }, done);
  };
  return (
    <Panel flush title={title} actions={<SaveCsv columns={columns} rows={keys.data ?? []} name={kind} />}>
      <form className="row maker" onSubmit={send} aria-label={add}>
        <NameField name={name} onName={setName} />
        {kind === 'keys' && (
          <label className="row">
            Scope
            <select className="select" value={scope} onChange={(event) => setScope(event.target.value as Scope)}>
              <option value="viewer">viewer</option>
              <option value="admin">admin</option>
              <option value="metrics">metrics</option>
            </select>
          </label>
        )}
        <button type="submit" className="button" disabled={making.isPending}>
          {add}
        </button>
      </form>
      {(making.error ?? revoking.error) && <Fault error={making.error ?? revoking.error} />}
      <Answer of={keys} rows={3}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty run={run}>{none}</Empty>
          ) : (
            <Table label={title} columns={columns} rows={rows} keyOf={(one) => String(one.id)} height={HEIGHT} />
          )
        }
      </Answer>
      {making.data && (
        <ShownOnce what={`The key of ${making.data.name}`} secret={making.data.key} onClose={making.reset} />
      )}
    </Panel>
  );
}

/** What somebody or something new is to be called. */
function NameField({ name, onName }: { name: string; onName: (name: string) => void }) {
  return (
    <label className="row">
      Name{' '}
      <input className="select" value={name} required maxLength={64} onChange={(event) => onName(event.target.value)} />
    </label>
  );
}
