import type { ReactNode } from 'react';

import type { Schemas } from '../api/client';
import { count } from '../view/numbers';
import { Hostile } from './Hostile';
import { Panel } from './Panel';
import { Empty } from './States';
import { AttackerLink } from './Who';

/** What the newest sessions show of somebody: fingerprints, files, places that files come from. */
export function Traits({ traits }: { traits: Schemas['Traits'] }) {
  const { fingerprints, payloads, endpoints } = traits;
  const isEmpty = fingerprints.length + payloads.length + endpoints.length === 0;
  return (
    <Panel title="Fingerprints and files">
      {isEmpty ? (
        <p className="dim">No fingerprints, files or places were seen yet.</p>
      ) : (
        <dl className="facts">
          {fingerprints.map(([kind, value]) => (
            <Fact key={`${kind} ${value}`} name={<Hostile line text={kind} />}>
              <Hostile text={value} />
            </Fact>
          ))}
          {endpoints.map((endpoint) => (
            <Fact key={endpoint} name="fetched from">
              <Hostile text={endpoint} />
            </Fact>
          ))}
          {payloads.map((digest) => (
            <Fact key={digest} name="file, SHA-256">
              <Hostile text={digest} />
            </Fact>
          ))}
        </dl>
      )}
    </Panel>
  );
}

/** Which accounts were tried, and how it went; no password is told. */
export function CredentialsTried({ tried }: { tried: Schemas['CredentialsTried'] }) {
  const most = Math.max(1, ...tried.accounts.map(([, times]) => times));
  return (
    <Panel title="Accounts tried">
      {tried.attempts === 0 ? (
        <p className="dim">Nobody tried to log in.</p>
      ) : (
        <>
          <p className="small">
            {count(tried.attempts)} attempts, <b>{count(tried.succeeded)} succeeded</b>, {count(tried.by_key)} by key,{' '}
            {count(tried.secrets)} different passwords
          </p>
          <ul className="accounts">
            {tried.accounts.map(([name, times]) => (
              <li key={name}>
                <Hostile line text={name} />
                <i style={{ width: `${(times / most) * 100}%` }} aria-hidden="true" />
                <span className="number">{count(times)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

type Verdict = Schemas['ProviderVerdict'] & { address?: string };

/** What providers of intelligence say of somebody's addresses. */
export function Verdicts({ verdicts, members }: { verdicts: readonly Verdict[]; members?: readonly Member[] }) {
  const uuids = new Map(members?.map(({ address, uuid }) => [address, uuid]));
  return (
    <Panel title="What others say">
      {verdicts.length === 0 ? (
        <Empty run="export DECNET_ABUSEIPDB_API_KEY=…">No provider has said anything. A key switches one on:</Empty>
      ) : (
        <ul className="verdicts">
          {verdicts.map((verdict) => {
            const uuid = verdict.address === undefined ? undefined : uuids.get(verdict.address);
            return (
              <li key={`${verdict.provider} ${verdict.address ?? ''}`}>
                <b>{verdict.provider}</b>{' '}
                <span className={verdict.standing === 'malicious' ? 'badge fault' : 'badge'}>{verdict.standing}</span>
                {verdict.score !== null && <span className="dim"> score {verdict.score}</span>}{' '}
                {verdict.address !== undefined && uuid !== undefined && (
                  <AttackerLink uuid={uuid} address={verdict.address} />
                )}
                {words(verdict).map((word) => (
                  <span key={word}>
                    {' '}
                    <span className="badge">
                      <Hostile line text={word} />
                    </span>
                  </span>
                ))}
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}

interface Member {
  uuid: string;
  address: string;
}

function words({ classification, malware, tags }: Verdict): string[] {
  return [...new Set([classification, malware, ...tags].filter((word) => word !== ''))];
}

function Fact({ name, children }: { name: ReactNode; children: ReactNode }) {
  return (
    <div className="contents">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
