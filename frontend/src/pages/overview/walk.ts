/** Where arrow keys lead in the matrix. */
import { isSeen, type Column, type Part } from './lay';

const MOVES: Record<string, (columns: readonly (readonly string[])[], at: Place) => string | undefined> = {
  ArrowDown: (columns, { column, row }) => columns[column]?.[row + 1],
  ArrowUp: (columns, { column, row }) => columns[column]?.[row - 1],
  ArrowRight: (columns, at) => beside(columns, at, 1),
  ArrowLeft: (columns, at) => beside(columns, at, -1),
  Home: (columns, { column }) => columns[column]?.[0],
  End: (columns, { column }) => columns[column]?.at(-1),
};

interface Place {
  column: number;
  row: number;
}

/** The keys of the cells that can be walked to, column by column, those of open sub-techniques below their own. */
export function paths(columns: readonly Column[], open: ReadonlySet<string>, hidesUnseen: boolean): string[][] {
  return columns.map(({ cells }) =>
    cells
      .filter((cell) => !hidesUnseen || isSeen(cell))
      .flatMap((cell): readonly Part[] => [cell, ...(open.has(cell.key) ? cell.subs : [])])
      .map((part) => part.key),
  );
}

/** The cell that `key` leads to from `from`; undefined at the border, and for keys that do not walk. */
export function walk(columns: readonly (readonly string[])[], from: string, key: string): string | undefined {
  const column = columns.findIndex((keys) => keys.includes(from));
  if (column < 0) return undefined;
  return MOVES[key]?.(columns, { column, row: columns[column]?.indexOf(from) ?? 0 });
}

/** The same row of the next column that has cells, or its last one. */
function beside(columns: readonly (readonly string[])[], { column, row }: Place, step: 1 | -1): string | undefined {
  for (let next = column + step; next >= 0 && next < columns.length; next += step) {
    const keys = columns[next] ?? [];
    if (keys.length > 0) return keys[Math.min(row, keys.length - 1)];
  }
  return undefined;
}
