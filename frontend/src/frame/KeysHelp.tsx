import { Dialog } from '../parts/Dialog';
import { PLACES } from './places';

const KEYS: [string, string][] = [
  ['Ctrl K', 'search'],
  ['?', 'these keys'],
  ['Esc', 'close what lies on top'],
  ['← → ↑ ↓', 'walk in the matrix; ↑ ↓ in tables'],
  ['Enter', 'open'],
  ['/', 'filter the matrix'],
  ...PLACES.map(({ key, name }): [string, string] => [`g ${key}`, `go to ${name}`]),
];

/** The keys of every page. */
export function KeysHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="facts">
        {KEYS.map(([keys, does]) => (
          <div key={keys} className="contents">
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
