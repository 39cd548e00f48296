import { query, type Schemas } from '../../api/client';
import { PAGES } from '../../api/pages';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { Answer, Empty } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { When } from '../../parts/When';

const COLUMNS: Column<Schemas['Audited']>[] = [
  { name: 'When', width: '170px', value: (one) => one.done_at, cell: (one) => <When us={one.done_at} /> },
  { name: 'Who', width: '140px', value: (one) => one.actor, cell: (one) => one.actor },
  { name: 'Did', width: '160px', value: (one) => one.action, cell: (one) => one.action },
  {
    name: 'To',
    width: 'minmax(110px, 1fr)',
    value: (one) => one.target,
    cell: (one) => <Hostile line text={one.target} />,
  },
  {
    name: 'Detail',
    width: 'minmax(140px, 2fr)',
    value: (one) => one.detail,
    cell: (one) => <Hostile line text={one.detail} />,
  },
];

/** What administrators did. */
export function Audit() {
  const list = query.useInfiniteQuery('get', '/api/v1/audit', {}, PAGES);
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel flush title="What administrators did" actions={<SaveCsv columns={COLUMNS} rows={rows} name="audit" />}>
      <Answer of={list} rows={8}>
        {() =>
          rows.length === 0 ? (
            <Empty>Nothing was changed yet.</Empty>
          ) : (
            <Table
              label="What administrators did"
              columns={COLUMNS}
              rows={rows}
              keyOf={(one) => String(one.id)}
              more={list.hasNextPage && !list.isFetching ? () => void list.fetchNextPage() : undefined}
            />
          )
        }
      </Answer>
    </Panel>
  );
}
