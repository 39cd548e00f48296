/** An installation of the real program: a data folder, `decnet serve` over it, and people who may log in. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const PROJECT = join(import.meta.dirname, '..', '..');
export const RECORDING = join(PROJECT, 'demo', 'cowrie.json');
/** Where `make` puts it; elsewhere `DECNET_TEST_PROGRAM` says. */
const PROGRAM = process.env['DECNET_TEST_PROGRAM'] ?? join(PROJECT, '.venv', 'bin', 'decnet');
const PATIENCE_MS = 60_000;

export interface Person {
  name: string;
  password: string;
}

export interface Installation {
  url: string;
  folder: string;
  admin: Person;
  viewer: Person;
  /** A log that `decnet serve` follows: what is appended is tagged. */
  log: string;
  end: () => Promise<void>;
}

/** Starts one; `logs` are tagged before. A folder that is given is kept. */
export async function install(logs: readonly string[] = [RECORDING], kept?: string): Promise<Installation> {
  const folder = kept ?? (await mkdtemp(join(tmpdir(), 'decnet-')));
  const port = await freePort();
  const env = { ...process.env, DECNET_DATA_DIR: folder, DECNET_WEB_LISTEN: `127.0.0.1:${port}` };
  // Those of a folder that is used again are there already, with passwords that nobody knows any more.
  const visit = kept === undefined ? '' : `-${Date.now()}`;
  const admin = await makePerson(`ada${visit}`, env, ['--admin']);
  const viewer = await makePerson(`vera${visit}`, env, []);
  if (logs.length > 0) await run(PROGRAM, ['ttp', 'tag', ...logs], { env });
  const log = join(folder, 'growing.json');
  await writeFile(log, '');
  const server = spawn(PROGRAM, ['serve', '--json', log], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await isReady(`${url}/api/v1/health/ready`, server);
  const end = async () => {
    server.kill('SIGTERM');
    if (server.exitCode === null) await once(server, 'exit');
    if (kept === undefined) await rm(folder, { recursive: true, force: true });
  };
  return { url, folder, admin, viewer, log, end };
}

async function makePerson(name: string, env: NodeJS.ProcessEnv, flags: string[]): Promise<Person> {
  const making = run(PROGRAM, ['user', 'add', name, '--json', ...flags], { env });
  making.child.stdin?.end();
  const { password } = JSON.parse((await making).stdout) as Person;
  return { name, password };
}

async function isReady(url: string, server: ChildProcess): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    if (server.exitCode !== null) throw new Error(`decnet serve ended with ${server.exitCode}`);
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await pause(100);
  }
  throw new Error(`${url} is not ready after ${PATIENCE_MS / 1000} s`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
