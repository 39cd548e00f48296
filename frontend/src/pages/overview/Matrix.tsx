import { useNavigate, useRouter } from '@tanstack/react-router';
import { memo, useCallback, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from 'react';

import { shortCount } from '../../view/numbers';
import { Cell } from './Cell';
import { briefly, isSeen, type Column } from './lay';
import type { Colour } from './search';
import { paths, walk } from './walk';

interface Props {
  columns: readonly Column[];
  /** Highest count of a cell. */
  most: number;
  colour: Colour;
  /** Keys of the cells whose sub-techniques are shown. */
  open: ReadonlySet<string>;
  hidesUnseen: boolean;
  onFold: (key: string) => void;
}

const NO_ID = 'T0000';

/** The matrix: arrow keys walk, Enter opens a technique, Space its sub-techniques. One cell at a time is on Tab's way. */
export function Matrix({ columns, most, colour, open, hidesUnseen, onFold }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState('');
  const navigate = useNavigate();
  const href = useHref();
  const ways = useMemo(() => paths(columns, open, hidesUnseen), [columns, open, hidesUnseen]);
  const active = ways.some((keys) => keys.includes(chosen))
    ? chosen
    : (ways.find((keys) => keys.length > 0)?.[0] ?? '');

  const click = useCallback(
    (event: MouseEvent) => {
      const target = event.target as Element;
      const fold = target.closest<HTMLElement>('[data-fold]')?.dataset['fold'];
      const id = target.closest<HTMLElement>('a[data-id]')?.dataset['id'];
      if (fold !== undefined) onFold(fold);
      if (id === undefined || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      void navigate({ to: '/techniques/$id', params: { id } });
    },
    [navigate, onFold],
  );
  const press = (event: KeyboardEvent) => {
    const from = (event.target as HTMLElement).dataset['key'];
    if (from === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ' ') {
      event.preventDefault();
      if (columns.some(({ cells }) => cells.some((cell) => cell.key === from && cell.subs.length > 0))) onFold(from);
      return;
    }
    const next = walk(ways, from, event.key);
    if (next === undefined) return;
    event.preventDefault();
    place.current?.querySelector<HTMLElement>(`[data-key="${next}"]`)?.focus();
  };
  return (
    <div
      ref={place}
      className="matrix"
      data-unseen={hidesUnseen ? 'hidden' : undefined}
      role="group"
      aria-label="ATT&CK matrix"
      aria-description="Arrow keys move, Enter opens a technique, Space shows its sub-techniques"
      onClick={click}
      onKeyDown={press}
      onFocus={(event) => setChosen(event.target.dataset['key'] ?? chosen)}
    >
      {columns.map((column) => (
        <ColumnOf
          key={column.id}
          column={column}
          active={active.startsWith(`${column.id}/`) ? active : ''}
          colour={colour}
          most={most}
          open={open}
          href={href}
        />
      ))}
    </div>
  );
}

interface ColumnProps extends Pick<Props, 'most' | 'colour' | 'open'> {
  column: Column;
  /** The key that Tab reaches; '' where it lies in another column. */
  active: string;
  href: readonly [string, string];
}

const ColumnOf = memo(function ColumnOf({ column, active, open, ...look }: ColumnProps) {
  return (
    <section aria-labelledby={`head-${column.id}`}>
      <h3 id={`head-${column.id}`} data-seen={column.count > 0}>
        {briefly(column.name)}
        <span title={`${column.seen} techniques, ${column.count} tags`}>
          {column.count > 0 ? shortCount(column.count) : '–'}
        </span>
      </h3>
      {[true, false].map((isOfSeen) => (
        <ul key={String(isOfSeen)} data-seen={isOfSeen}>
          {column.cells
            .filter((cell) => isSeen(cell) === isOfSeen)
            .map((cell) => (
              <Cell
                key={cell.key}
                cell={cell}
                isOpen={open.has(cell.key)}
                active={active.startsWith(cell.key) ? active : ''}
                {...look}
              />
            ))}
        </ul>
      ))}
    </section>
  );
});

/** Where a technique's page lies, asked of the router once for all cells. */
function useHref(): readonly [string, string] {
  const router = useRouter();
  const whole = router.buildLocation({ to: '/techniques/$id', params: { id: NO_ID } }).href;
  return useMemo(() => {
    const [before = '', after = ''] = whole.split(NO_ID);
    return [before, after];
  }, [whole]);
}
