import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';

import { query, type Schemas } from '../api/client';
import { useNames } from '../api/matrix';
import { Confidence } from '../parts/Confidence';
import { EventBody } from '../parts/EventBody';
import { Evidence } from '../parts/Evidence';
import { Hostile } from '../parts/Hostile';
import { Answer } from '../parts/States';
import { exactId, TechniqueLink } from '../parts/Technique';
import { When } from '../parts/When';
import { useView } from '../view/useView';
import { Confident } from './Confident';
import { eventOf } from './eventOf';
import './inspector.css';
import { useWidth } from './useWidth';

/** The drawer with all that is behind a tag; `address` is `OBSERVED_AT.UUID`. */
export function Inspector({ address }: { address: string }) {
  const [observedAt = '', uuid = ''] = address.split('.');
  const tag = query.useQuery('get', '/api/v1/ttp/tags/{observed_at}/{uuid}', {
    params: { path: { observed_at: Number(observedAt), uuid } },
  });
  const { change } = useView();
  const close = () => change({ tag: undefined });
  const { width, handle } = useWidth();
  const drawer = useRef<HTMLElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    drawer.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <aside
      ref={drawer}
      className="inspector"
      aria-label="Tag"
      tabIndex={-1}
      style={{ width }}
      onKeyDown={(event) => event.key === 'Escape' && close()}
    >
      <div {...handle} className="handle" aria-label="Width of the drawer" />
      <header className="row">
        <h2>Tag</h2>
        <button type="button" className="button quiet push" aria-label="Close the drawer" onClick={close}>
          ✕
        </button>
      </header>
      <Answer of={tag}>{(data) => <Behind tag={data} />}</Answer>
    </aside>
  );
}

function Behind({ tag }: { tag: Schemas['Tag'] }) {
  const names = useNames();
  const rule = query.useQuery('get', '/api/v1/ttp/rules/{rule_id}', { params: { path: { rule_id: tag.rule_id } } });
  const eventId = eventOf(tag);
  const event = query.useQuery(
    'get',
    '/api/v1/events/{uuid}',
    { params: { path: { uuid: eventId ?? '' } } },
    { enabled: eventId !== null },
  );
  return (
    <div className="stack">
      <div>
        <h3 className="headline">
          <TechniqueLink id={exactId(tag)} name={names.of(exactId(tag))} />
        </h3>
        <p className="dim">
          {names.of(tag.tactic)} {tag.tactic} · <Confidence value={tag.confidence} />
        </p>
      </div>
      <section aria-label="Evidence" className="stack tight">
        <h3>Evidence</h3>
        <Evidence tag={tag} payload={event.data?.payload} />
      </section>
      <dl className="facts">
        <dt>Observed</dt>
        <dd>
          <When us={tag.observed_at} />
        </dd>
        {tag.attacker_uuid !== null && (
          <>
            <dt>Attacker</dt>
            <dd>
              <Link to="/attackers/$uuid" params={{ uuid: tag.attacker_uuid }}>
                <Hostile line text={tag.address ?? tag.attacker_uuid} />
              </Link>
            </dd>
          </>
        )}
        <dt>Identity</dt>
        <dd>
          <Link to="/identities/$uuid" params={{ uuid: tag.identity_uuid }}>
            {tag.identity_uuid.slice(0, 8)}
          </Link>
        </dd>
        {tag.session_uuid !== null && (
          <>
            <dt>Session</dt>
            <dd>
              <Link to="/sessions/$uuid" params={{ uuid: tag.session_uuid }}>
                read it
              </Link>
            </dd>
          </>
        )}
        {tag.decoy !== null && (
          <>
            <dt>Decoy</dt>
            <dd>
              <Hostile line text={tag.decoy} />
            </dd>
          </>
        )}
        <dt>Seen in</dt>
        <dd>
          {tag.source_kind} {tag.protocol !== null && `over ${tag.protocol}`}
        </dd>
        <dt>Release</dt>
        <dd>{tag.attack_release}</dd>
      </dl>
      <Answer of={rule} rows={4}>
        {(data) => (
          <section aria-label="Rule" className="stack tight">
            <h3>
              <Link to="/rules" search={{ rule: data.rule_id }}>
                {data.rule_id} {data.name}
              </Link>
            </h3>
            <p>{data.description}</p>
            <Confident tag={tag} rule={data} />
            <details>
              <summary>Text of the rule, version {data.rule_version}</summary>
              <pre className="code">{data.text}</pre>
            </details>
          </section>
        )}
      </Answer>
      {eventId !== null && (
        <section aria-label="Event" className="stack tight">
          <h3>Event as recorded</h3>
          <Answer of={event}>{(data) => <EventBody payload={data.payload} />}</Answer>
        </section>
      )}
    </div>
  );
}
