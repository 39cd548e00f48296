import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';

import { query, type Schemas } from '../../api/client';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer, Empty } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { When } from '../../parts/When';
import { count } from '../../view/numbers';
import { useChange } from '../../view/useChange';
import { RulePanel } from './RulePanel';
import './rules.css';
import { StateBadge } from './StateBadge';
import { MATURITIES, MODES, pickedRules, shown, type RulesSearch } from './search';

type Entry = Schemas['RuleEntry'];
const route = getRouteApi('/frame/rules');

const COLUMNS: Column<Entry>[] = [
  {
    name: 'Rule',
    width: 'minmax(190px, 2.4fr)',
    value: (rule) => `${rule.rule_id} ${rule.name}`,
    cell: (rule) => (
      <Link to="/rules" search={(old) => ({ ...old, rule: rule.rule_id })}>
        <b>{rule.rule_id}</b> {rule.name}
      </Link>
    ),
  },
  {
    name: 'Shows',
    width: 'minmax(110px, 1.6fr)',
    value: (rule) => shown(rule).join(' '),
    cell: (rule) => <span title={rule.emits.map((one) => one.name).join(', ')}>{shown(rule).join(', ')}</span>,
  },
  { name: 'State', width: '92px', value: (rule) => rule.state.mode, cell: (rule) => <StateBadge state={rule.state} /> },
  { name: 'Maturity', width: '88px', value: (rule) => rule.maturity, cell: (rule) => rule.maturity },
  {
    name: 'Version',
    width: '64px',
    value: (rule) => rule.rule_version,
    cell: (rule) => rule.rule_version,
    isNumber: true,
  },
  {
    name: '24 h',
    width: '64px',
    value: (rule) => rule.fires.last_day,
    cell: (rule) => count(rule.fires.last_day),
    isNumber: true,
  },
  {
    name: 'All',
    width: '76px',
    value: (rule) => rule.fires.total,
    cell: (rule) => count(rule.fires.total),
    isNumber: true,
  },
  {
    name: 'Last fired',
    width: '104px',
    value: (rule) => rule.fires.last_seen,
    cell: (rule) => rule.fires.last_seen !== null && <When us={rule.fires.last_seen} relative />,
  },
  {
    name: 'Precision',
    width: '80px',
    value: (rule) => rule.measured?.precision,
    cell: (rule) => rule.measured?.precision?.toFixed(2),
    isNumber: true,
  },
];

/** The catalogue of rules, and one of them beside it. */
export function Rules() {
  const search = route.useSearch();
  const rules = query.useQuery('get', '/api/v1/ttp/rules');
  const picked = useMemo(() => pickedRules(rules.data ?? [], search), [rules.data, search]);
  const change = useChange<RulesSearch>();
  return (
    <div className="rules" data-open={search.rule !== undefined}>
      <div className="stack">
        <h1>Rules</h1>
        <Faults />
        <Panel
          flush
          title={`${count(picked.length)} of ${count(rules.data?.length ?? 0)} rules`}
          actions={
            <>
              <input
                className="select"
                type="search"
                aria-label="Filter by id, name or technique"
                placeholder="Id, name, technique"
                defaultValue={search.text ?? ''}
                onChange={(event) => change({ text: event.target.value || undefined })}
              />
              <Choice label="State" of={MODES} value={search.mode} onPick={(mode) => change({ mode })} />
              <Choice
                label="Maturity"
                of={MATURITIES}
                value={search.maturity}
                onPick={(maturity) => change({ maturity })}
              />
              <SaveCsv columns={COLUMNS} rows={picked} name="rules" />
            </>
          }
        >
          <Answer of={rules} rows={16}>
            {() =>
              picked.length === 0 ? (
                <Empty>No rule is like that.</Empty>
              ) : (
                <Table
                  label="Rules"
                  columns={COLUMNS}
                  rows={picked}
                  keyOf={(rule) => rule.rule_id}
                  open={(rule) => change({ rule: rule.rule_id })}
                  isSortable
                  height="calc(100vh - 180px)"
                />
              )
            }
          </Answer>
        </Panel>
      </div>
      {search.rule !== undefined && (
        <RulePanel key={search.rule} ruleId={search.rule} onClose={() => change({ rule: undefined })} />
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  of: readonly T[];
  value: T | undefined;
  onPick: (value: T | undefined) => void;
}

function Choice<T extends string>({ label, of, value, onPick }: ChoiceProps<T>) {
  return (
    <select
      className="select"
      aria-label={label}
      value={value ?? ''}
      onChange={(event) => onPick((event.target.value || undefined) as T | undefined)}
    >
      <option value="">{label}: any</option>
      {of.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  );
}

/** What is wrong with rule texts; the last good version of each stays in force. */
function Faults() {
  const faults = query.useQuery('get', '/api/v1/ttp/rules/faults');
  if (!faults.data || faults.data.length === 0) return null;
  return (
    <div className="fault" role="status">
      <strong>{count(faults.data.length)} rule texts cannot be used; their last good versions stay in force.</strong>
      <ul>
        {faults.data.map((fault) => (
          <li key={`${fault.file} ${fault.line ?? ''} ${fault.message}`}>
            <span className="mono">
              {fault.file}
              {fault.line !== null && `:${fault.line}`}
            </span>{' '}
            <Hostile text={fault.message} />
          </li>
        ))}
      </ul>
    </div>
  );
}
