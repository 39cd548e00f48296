import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

import { csv, save, type Value } from './csv';

export interface Column<T> {
  /** Also the head of the CSV. */
  name: string;
  /** A track of CSS grid: `80px`, `minmax(120px, 2fr)`. */
  width: string;
  cell: (row: T) => ReactNode;
  /** What the CSV says, and what sorting by this column compares. */
  value: (row: T) => Value;
  isNumber?: boolean;
}

interface Props<T> {
  /** What the rows are, for people who hear the page. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** Enter and a click on the row. */
  open?: (row: T) => void;
  /** Asked for when the end is near. */
  more?: (() => void) | undefined;
  /** Whether heads sort: for lists that are whole. */
  isSortable?: boolean;
  /** Height of the window onto the rows; `70vh` where nothing is said. */
  height?: string;
}

const ROW_PX = 32;
const NEAR_END = 20;

interface Order {
  column: number;
  isDown: boolean;
}

/** Rows under heads: only those in sight are drawn, arrow keys walk, Enter opens. */
export function Table<T>({ label, columns, rows, keyOf, open, more, isSortable = false, height }: Props<T>) {
  const frame = useRef<HTMLDivElement>(null);
  const [order, setOrder] = useState<Order | null>(null);
  const sorted = order === null ? rows : inOrder(rows, columns[order.column], order.isDown);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualiser keeps its own state and says when to draw
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && last >= sorted.length - NEAR_END) more();
  }, [last, sorted.length, more]);

  const tracks = { gridTemplateColumns: columns.map((column) => column.width).join(' ') };
  const walk = (event: KeyboardEvent, index: number, row: T) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === 'Enter' && open && event.target === event.currentTarget) open(row);
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.min(sorted.length - 1, Math.max(0, index + step));
    virtual.scrollToIndex(next);
    requestAnimationFrame(() => frame.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus());
  };
  return (
    <div
      className="table"
      role="table"
      aria-label={label}
      aria-rowcount={sorted.length + 1}
      ref={frame}
      tabIndex={0}
      style={height === undefined ? undefined : { maxHeight: height }}
    >
      <div className="heads" role="rowgroup">
        <div role="row" aria-rowindex={1} style={tracks}>
          {columns.map((column, index) => (
            <div
              key={column.name}
              role="columnheader"
              className={column.isNumber ? 'number' : undefined}
              aria-sort={order?.column === index ? (order.isDown ? 'descending' : 'ascending') : undefined}
            >
              {isSortable ? (
                <button type="button" className="sort" onClick={() => setOrder(turned(order, index))}>
                  {column.name}
                  {order?.column === index && (order.isDown ? ' ↓' : ' ↑')}
                </button>
              ) : (
                column.name
              )}
            </div>
          ))}
        </div>
      </div>
      <div className="space" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = sorted[item.index];
          if (row === undefined) return null;
          return (
            <div
              key={keyOf(row)}
              role="row"
              aria-rowindex={item.index + 2}
              data-index={item.index}
              tabIndex={open ? 0 : -1}
              style={{ ...tracks, transform: `translateY(${item.start}px)`, cursor: open ? 'pointer' : undefined }}
              onKeyDown={(event) => walk(event, item.index, row)}
              onClick={(event) => {
                if (open && !(event.target as Element).closest('a, button') && !getSelection()?.toString()) open(row);
              }}
            >
              {columns.map((column) => (
                <div key={column.name} role="cell" className={column.isNumber ? 'number' : undefined}>
                  {column.cell(row)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Up, then down, then as it came. */
function turned(order: Order | null, column: number): Order | null {
  if (order?.column !== column) return { column, isDown: true };
  return order.isDown ? { column, isDown: false } : null;
}

function inOrder<T>(rows: readonly T[], column: Column<T> | undefined, isDown: boolean): readonly T[] {
  if (column === undefined) return rows;
  const sorted = rows.toSorted((one, other) => compared(column.value(one), column.value(other)));
  return isDown ? sorted.reverse() : sorted;
}

function compared(one: Value, other: Value): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one ?? '').localeCompare(String(other ?? ''));
}

interface SaveProps<T> {
  columns: readonly Column<T>[];
  rows: readonly T[];
  /** Name of the file, without its ending. */
  name: string;
}

/** The rows at hand as a file. */
export function SaveCsv<T>({ columns, rows, name }: SaveProps<T>) {
  const write = () => {
    const heads = columns.map((column) => column.name);
    const lines = rows.map((row) => columns.map((column) => column.value(row)));
    save(csv(heads, lines), `${name}.csv`, 'text/csv');
  };
  return (
    <button type="button" className="button small" onClick={write} disabled={rows.length === 0}>
      CSV
    </button>
  );
}
