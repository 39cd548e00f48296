import { useView } from '../view/useView';

interface Props {
  scope: 'attacker' | 'identity' | 'campaign';
  uuid: string;
}

const FORMATS = [
  { path: 'navigator', name: 'Navigator layer' },
  { path: 'stix', name: 'STIX' },
  { path: 'misp', name: 'MISP' },
  { path: 'csv', name: 'CSV' },
] as const;

/** Somebody's techniques as files for other tools, within the stretch of time and above the floor that are looked at. */
export function Exports({ scope, uuid }: Props) {
  const { bounds, confidence } = useView();
  const asked = new URLSearchParams({ min_confidence: String(confidence) });
  for (const [name, value] of Object.entries(bounds)) asked.set(name, String(value));
  return (
    <div className="row" role="group" aria-label="Export as">
      <span className="dim small">Export as</span>
      {FORMATS.map(({ path, name }) => (
        <a key={path} className="button small" download href={`/api/v1/ttp/export/${path}/${scope}/${uuid}?${asked}`}>
          {name}
        </a>
      ))}
    </div>
  );
}
