import { memo } from 'react';

import { confidencePaint, confidenceShare, countPaint, share, type Paint } from '../../design/heat';
import { confidence, count, shortCount } from '../../view/numbers';
import type { Cell as CellOf, Part } from './lay';
import type { Colour } from './search';

interface Look {
  colour: Colour;
  /** Highest count of the matrix. */
  most: number;
  /** Where techniques lie: the id goes between. */
  href: readonly [string, string];
}

interface Props extends Look {
  cell: CellOf;
  isOpen: boolean;
  /** The cell, or the sub-technique in it, that Tab reaches; '' where it lies in another cell. */
  active: string;
}

/** A technique of the matrix: how often, how sure; opens in place to its sub-techniques. */
export const Cell = memo(function Cell({ cell, isOpen, active, ...look }: Props) {
  const seen = cell.subs.filter((sub) => sub.count > 0).length;
  return (
    <li className="matrix-cell" data-seen={cell.count > 0}>
      <Box part={cell} id={cell.id} name={cell.short} isActive={active === cell.key} {...look}>
        {cell.subs.length > 0 && (
          <button
            type="button"
            className="matrix-fold"
            tabIndex={-1}
            data-fold={cell.key}
            aria-expanded={isOpen}
            aria-label={`Sub-techniques of ${cell.id}: ${seen} of ${cell.subs.length} seen`}
          >
            <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span>
            {seen > 0 ? seen : ''}
          </button>
        )}
      </Box>
      {isOpen && (
        <ul>
          {cell.subs.map((sub) => (
            <li key={sub.key} className="matrix-cell" data-seen={sub.count > 0}>
              <Box
                part={sub}
                id={sub.id.slice(cell.id.length)}
                name={sub.name}
                isActive={active === sub.key}
                {...look}
              />
            </li>
          ))}
        </ul>
      )}
    </li>
  );
});

interface BoxProps extends Look {
  part: Part;
  /** As it is shown: of a sub-technique, what its own part is. */
  id: string;
  name: string;
  isActive: boolean;
  children?: React.ReactNode;
}

function Box({ part, id, name, isActive, colour, most, href, children }: BoxProps) {
  const isSeen = part.count > 0;
  const sure = `confidence up to ${confidence(part.confidence)}`;
  return (
    <div className="matrix-box" style={isSeen ? paintOf(part, colour, most) : undefined}>
      <a
        href={href.join(part.id)}
        data-key={part.key}
        data-id={part.id}
        tabIndex={isActive ? 0 : -1}
        title={`${part.id} ${part.name}: ${isSeen ? `${count(part.count)} tags, ${sure}` : 'not seen'}`}
      >
        <span className="matrix-id">
          {part.isNew && <i className="matrix-new" />}
          {id}
        </span>{' '}
        {isSeen && (
          <b>
            {shortCount(part.count)}
            <span className="unseen"> tags</span>
          </b>
        )}{' '}
        <span className="matrix-name">{name}</span>
        {isSeen && (
          <span className="matrix-bar">
            <i style={{ width: `${part.confidence * 100}%` }} />
          </span>
        )}
        {isSeen && (
          <span className="unseen">
            , {sure}
            {part.isNew && ', new since yesterday'}
          </span>
        )}
      </a>
      {children}
    </div>
  );
}

function paintOf(part: Part, colour: Colour, most: number): Paint {
  return colour === 'confidence'
    ? confidencePaint(confidenceShare(part.confidence))
    : countPaint(share(part.count, most));
}
