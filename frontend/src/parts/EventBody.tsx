import { Hostile } from './Hostile';

/** What an event says, field by field; values are what attackers sent. */
export function EventBody({ payload }: { payload: Record<string, unknown> }) {
  const fields = Object.entries(payload).filter(([, value]) => value !== null && value !== '');
  return (
    <dl className="facts">
      {fields.map(([name, value]) => (
        <div key={name} className="contents">
          <dt>
            <Hostile line text={name} />
          </dt>
          <dd>
            <Hostile text={typeof value === 'string' ? value : JSON.stringify(value)} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
