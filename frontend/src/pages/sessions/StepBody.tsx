import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { EventBody } from '../../parts/EventBody';
import { DecodeStep } from '../../parts/Evidence';
import { Hostile } from '../../parts/Hostile';
import { count } from '../../view/numbers';
import { length } from '../../view/time';
import { isFraming, stretchesOf, unfoldedOf } from './step';
import { WholeText } from './WholeText';

type Step = Schemas['Step'];

interface Props {
  step: Step;
  /** The tags whose places are marked. */
  marked: readonly Schemas['Tag'][];
}

const US_PER_MS = 1_000;

/** What happened in one step, as its kind is best read. */
export function StepBody({ step, marked }: Props) {
  const { payload } = step;
  const said = (field: string) => textOf(payload, field);
  const marks = (field: string) => <Hostile text={said(field)} stretches={stretchesOf(marked, field, said(field))} />;
  switch (step.source_kind) {
    case 'command':
      return <Command step={step} line={marks('command_text')} />;
    case 'auth_attempt':
      return (
        <Line kind="log-in">
          <Hostile text={said('username')} /> {payload['success'] === true ? 'got in' : 'was refused'}
          {said('method') === 'publickey' ? ' with a key' : ' with a password'}
          {said('key_fingerprint') !== '' && (
            <>
              {' '}
              <Hostile text={`${said('key_type')} ${said('key_fingerprint')}`.trim()} />
            </>
          )}{' '}
          <span className={payload['success'] === true ? 'badge warn' : 'badge'}>
            {payload['success'] === true ? 'succeeded' : 'failed'}
          </span>
        </Line>
      );
    case 'fingerprint':
      return (
        <Line kind={<Hostile line text={said('metric').replaceAll('_', ' ')} />}>
          {marks('value')}
          {said('detail') !== '' && <Details title="what it is made of">{said('detail')}</Details>}
        </Line>
      );
    case 'payload':
      return <File payload={payload} url={marks('url')} text={marks('text')} />;
    case 'http_request':
      return (
        <Line kind="request">
          <Hostile text={said('method')} /> {marks('raw_url')}
          {said('host') !== '' && (
            <>
              {' '}
              <span className="dim">at</span> {marks('host')}
            </>
          )}
          {said('user_agent') !== '' && (
            <p className="small">
              <span className="dim">by</span> {marks('user_agent')}
            </p>
          )}
          {said('headers') !== '' && <Details title="headers">{marks('headers')}</Details>}
          {said('body') !== '' && <Details title="body">{marks('body')}</Details>}
        </Line>
      );
    case 'scan':
      return (
        <Line kind="probe">
          {marks('signature')} {said('detail') !== '' && marks('detail')}
        </Line>
      );
    case 'session':
      return (
        <Note
          payload={payload}
          text={isFraming(payload['action']) ? <Hostile line text={said('text')} /> : marks('text')}
        />
      );
    case 'email':
    case 'canary':
    case 'canary_fingerprint':
    case 'intel_verdict':
    default:
      return (
        <Line kind={step.source_kind.replaceAll('_', ' ')}>
          <EventBody payload={payload} />
        </Line>
      );
  }
}

function Command({ step, line }: { step: Step; line: ReactNode }) {
  const text = textOf(step.payload, 'command_text');
  const { layers, commands } = unfoldedOf(step.tags, text);
  const realm = textOf(step.payload, 'realm');
  return (
    <div className="step-command">
      {realm !== '' && (
        <>
          <span className="badge">
            <Hostile line text={realm} />
          </span>{' '}
        </>
      )}
      {line}
      <WholeText step={step} field="command_text" />
      {(layers.length > 0 || commands.length > 0) && (
        <ol className="step-layers" aria-label="Decoded">
          {layers.map((layer) => (
            <li key={layer}>
              <DecodeStep step={layer} />
            </li>
          ))}
          {commands.map((command) => (
            <li key={command}>
              <DecodeStep step={`runs as: ${command}`} />
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

function File({ payload, url, text }: { payload: Record<string, unknown>; url: ReactNode; text: ReactNode }) {
  const said = (field: string) => textOf(payload, field);
  const bytes = payload['size_bytes'];
  return (
    <Line kind="file">
      {said('action')}
      {said('url') !== '' && <> {url}</>}
      {said('filename') !== '' && (
        <>
          {' '}
          <Hostile text={said('filename')} />
        </>
      )}
      {said('destination') !== '' && (
        <>
          {' '}
          <span className="dim">to</span> <Hostile text={said('destination')} />
        </>
      )}{' '}
      {said('file_type') !== '' && <span className="badge">{said('file_type')}</span>}{' '}
      {typeof bytes === 'number' && <span className="dim">{count(bytes)} bytes</span>}
      {said('text') !== '' && <div>{text}</div>}
      {said('sha256') !== '' && (
        <p className="small">
          <span className="dim">SHA-256</span> <Hostile text={said('sha256')} />
        </p>
      )}
    </Line>
  );
}

const ACTIONS: Record<string, string> = {
  started: 'connected',
  ended: 'disconnected',
  params: 'the machine that it is shown',
  log_closed: 'recorded the screen:',
  command_failed: 'the honeypot does not know',
};

function Note({ payload, text }: { payload: Record<string, unknown>; text: ReactNode }) {
  const action = textOf(payload, 'action');
  const { duration_ms: duration, dst_ip: ip, dst_port: port, rows, size_bytes: bytes, keystrokes } = payload;
  return (
    <Line kind="note">
      {ACTIONS[action] ?? <Hostile text={action.replaceAll('_', ' ')} />}
      {textOf(payload, 'text') !== '' && <> {text}</>}
      {typeof ip === 'string' && ip !== '' && (
        <>
          {' '}
          <span className="dim">to</span> <Hostile text={typeof port === 'number' ? `${ip} port ${port}` : ip} />
        </>
      )}
      {typeof rows === 'number' && <span className="dim"> {count(rows)} rows</span>}
      {typeof bytes === 'number' && <span className="dim"> {count(bytes)} bytes</span>}
      {typeof duration === 'number' && <span className="dim"> after {length(duration * US_PER_MS)}</span>}
      {typeof keystrokes === 'object' && keystrokes !== null && (
        <span className="dim"> {JSON.stringify(keystrokes)}</span>
      )}
    </Line>
  );
}

function Line({ kind, children }: { kind: ReactNode; children: ReactNode }) {
  return (
    <div className="step-line">
      <span className="step-kind">{kind}</span>
      <div>{children}</div>
    </div>
  );
}

function Details({ title, children }: { title: string; children: ReactNode }) {
  return (
    <details className="small">
      <summary className="dim">{title}</summary>
      {typeof children === 'string' ? <Hostile text={children} /> : children}
    </details>
  );
}

function textOf(payload: Record<string, unknown>, field: string): string {
  const text = payload[field];
  return typeof text === 'string' ? text : '';
}
