import { useMemo, useState } from 'react';

import { count } from '../view/numbers';
import { cut, MOST_SHOWN, pieces, type Stretch } from './hostile';

interface Props {
  text: string;
  /** Parts that rules matched. */
  stretches?: readonly Stretch[];
  /** One line, cut by its place: for cells of tables. */
  line?: boolean;
}

const LINE_CHARACTERS = 300;
const NONE: readonly Stretch[] = [];

/** Text of an attacker: mono, isolated, unseen characters as signs, cut; copying gives it as it was sent. */
export function Hostile({ text, stretches = NONE, line = false }: Props) {
  const [isWhole, setWhole] = useState(false);
  const most = line ? LINE_CHARACTERS : isWhole ? Infinity : MOST_SHOWN;
  const { shown, more } = cut(text, most);
  const parts = useMemo(() => pieces(shown, stretches), [shown, stretches]);
  const copyRaw = (event: React.ClipboardEvent) => {
    const selection = getSelection();
    if (selection === null || !covers(selection, event.currentTarget)) return;
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
  };
  return (
    <>
      <bdi
        className={line ? 'hostile line' : 'hostile'}
        dir="ltr"
        onCopy={copyRaw}
        title={line ? plain(shown) : undefined}
      >
        {parts.map((part, index) => {
          const content = part.isSign ? <span className="sign">{part.text}</span> : part.text;
          return part.isMatch ? <mark key={index}>{content}</mark> : <span key={index}>{content}</span>;
        })}
        {more > 0 && line && '…'}
      </bdi>
      {more > 0 && !line && (
        <button type="button" className="button quiet small" onClick={() => setWhole(true)}>
          show all ({count(more)} more)
        </button>
      )}
    </>
  );
}

/** The whole element is selected, so that its text as sent can take the place of what is shown. */
function covers(selection: Selection, element: Element): boolean {
  return selection.toString().trim() === element.textContent.trim();
}

/** `text` with its signs, for titles, which cannot be isolated otherwise. */
function plain(text: string): string {
  return pieces(text)
    .map((part) => part.text)
    .join('');
}
