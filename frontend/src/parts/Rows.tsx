import type { ReactNode } from 'react';

import { count } from '../view/numbers';
import { Panel } from './Panel';
import { Answer } from './States';
import { SaveCsv, Table, type Column } from './Table';

interface Asked<T> {
  data: { pages: { items: T[] }[] } | undefined;
  error: unknown;
  refetch: () => unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

interface Props<T> {
  /** What the rows are: `Identities`. */
  title: string;
  of: Asked<T>;
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  open: (row: T) => void;
  filters?: ReactNode;
  empty: ReactNode;
}

/** A list that comes in pages, each of which is asked for when the end of the one before is near. */
export function Rows<T>({ title, of, columns, keyOf, open, filters, empty }: Props<T>) {
  const rows = of.data?.pages.flatMap((page) => page.items) ?? [];
  const more = of.hasNextPage && !of.isFetchingNextPage ? () => void of.fetchNextPage() : undefined;
  return (
    <Panel
      flush
      title={
        of.data === undefined
          ? title
          : `${count(rows.length)}${of.hasNextPage ? ' or more' : ''} ${title.toLowerCase()}`
      }
      actions={
        <>
          {filters}
          <SaveCsv columns={columns} rows={rows} name={title.toLowerCase()} />
        </>
      }
    >
      <Answer of={of} rows={12}>
        {() =>
          rows.length === 0 && !of.hasNextPage ? (
            empty
          ) : (
            <Table
              label={title}
              columns={columns}
              rows={rows}
              keyOf={keyOf}
              open={open}
              more={more}
              height="calc(100vh - 190px)"
            />
          )
        }
      </Answer>
    </Panel>
  );
}
