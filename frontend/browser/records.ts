/** Records as Cowrie writes them, for tests that need attackers of their own. */
import { createHash } from 'node:crypto';

export interface Visit {
  address: string;
  /** When it began; ms since 1970. */
  at?: number;
  sensor?: string;
  user?: string;
  /** What the client calls itself. */
  version?: string;
  commands?: readonly string[];
  /** Where a file was fetched from. */
  downloads?: readonly string[];
}

let sessions = 0;

/** One session over SSH: a failed and a successful log-in, commands a second apart, and the end. */
export function cowrieSession(visit: Visit): string {
  const { address, at = Date.now(), sensor = 'decoy-a', user = 'root', version = 'SSH-2.0-Go' } = visit;
  const session = createHash('sha256').update(`${address} ${at} ${sessions++}`).digest('hex').slice(0, 12);
  const common = {
    session,
    protocol: 'ssh',
    src_ip: address,
    src_port: 40_000,
    dst_ip: '192.0.2.10',
    dst_port: 22,
    sensor,
  };
  let passed = 0;
  const line = (eventid: string, fields: object) =>
    JSON.stringify({
      ...common,
      eventid: `cowrie.${eventid}`,
      timestamp: new Date(at + passed++ * 1_000).toISOString(),
      ...fields,
    });
  const lines = [
    line('session.connect', { message: 'New connection' }),
    line('client.version', { version, message: 'Remote SSH version' }),
    line('login.failed', { username: user, password: 'a', message: 'login attempt' }),
    line('login.success', { username: user, password: 'b', message: 'login attempt' }),
    ...(visit.commands ?? []).map((input) => line('command.input', { input, message: 'CMD' })),
    ...(visit.downloads ?? []).map((url) =>
      line('session.file_download', {
        url,
        outfile: 'var/lib/cowrie/downloads/x',
        shasum: createHash('sha256').update(url).digest('hex'),
        message: 'Downloaded URL',
      }),
    ),
    line('session.closed', { duration_ms: passed * 1_000, message: 'Connection lost' }),
  ];
  return lines.map((one) => `${one}\n`).join('');
}
