/** What the addresses of lists of actors and sessions may say beside the frame's part; nonsense is left out. */

export interface ActorSearch {
  sort?: 'techniques';
  /** Only who showed it. */
  technique?: string;
  /** How the address begins. */
  address?: string;
}

export interface SessionSearch {
  attacker?: string;
  identity?: string;
  decoy?: string;
  protocol?: string;
  /** Whether a log-in succeeded. */
  in?: boolean;
  /** As many commands at least. */
  commands?: number;
}

export interface OpenSearch {
  /** Keys of techniques whose evidence lies open, with commas between them. */
  open?: string;
}

export interface ReplaySearch {
  /** The event that is looked at. */
  event?: string;
  /** Whether the honeypot's own notes are left out. */
  quiet?: boolean;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TECHNIQUE = /^T\d{4}(\.\d{3})?$/;
const ADDRESS = /^[0-9a-f.:]{1,45}$/i;
const PROTOCOL = /^[a-z0-9_.+-]{1,32}$/;
const OPEN = /^TA\d{4}:T\d{4}(\.\d{3})?(,TA\d{4}:T\d{4}(\.\d{3})?)*$/;
const MOST_NAME = 255;
const MOST_COMMANDS = 1_000_000;

type Raw = Record<string, unknown>;

export function actorSearch(raw: Raw): ActorSearch {
  const [technique, address] = [matching(raw['technique'], TECHNIQUE), matching(raw['address'], ADDRESS)];
  return {
    ...(raw['sort'] === 'techniques' && { sort: 'techniques' }),
    ...(technique !== undefined && { technique }),
    ...(address !== undefined && { address }),
  };
}

export function sessionSearch(raw: Raw): SessionSearch {
  const found: SessionSearch = {};
  const [attacker, identity] = [matching(raw['attacker'], UUID), matching(raw['identity'], UUID)];
  const protocol = matching(raw['protocol'], PROTOCOL);
  const decoy = textOf(raw['decoy']);
  const commands = raw['commands'];
  if (attacker !== undefined) found.attacker = attacker;
  if (identity !== undefined) found.identity = identity;
  if (protocol !== undefined) found.protocol = protocol;
  if (decoy !== '' && decoy.length <= MOST_NAME && !decoy.includes('\0')) found.decoy = decoy;
  if (typeof raw['in'] === 'boolean') found.in = raw['in'];
  if (typeof commands === 'number' && Number.isInteger(commands) && commands > 0 && commands <= MOST_COMMANDS)
    found.commands = commands;
  return found;
}

export function openSearch(raw: Raw): OpenSearch {
  const open = matching(raw['open'], OPEN);
  return open === undefined ? {} : { open };
}

export function replaySearch(raw: Raw): ReplaySearch {
  const event = matching(raw['event'], UUID);
  return { ...(event !== undefined && { event }), ...(raw['quiet'] === true && { quiet: true }) };
}

/** An address is read as JSON, in which `198` is a number. */
function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function matching(value: unknown, form: RegExp): string | undefined {
  const text = textOf(value);
  return form.test(text) ? text : undefined;
}
