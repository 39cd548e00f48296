/** What a step of a session says, and where in it rules matched. */
import type { Schemas } from '../../api/client';
import { stretchOfBytes, type Stretch } from '../../parts/hostile';

type Step = Schemas['Step'];
type Tag = Schemas['Tag'];

/** Fields that attackers' text stands in, by the kind of event: what a tag's places refer to. */
export function fieldOf(tag: Pick<Tag, 'source_kind' | 'evidence'>): string {
  const { field } = tag.evidence;
  return tag.source_kind === 'command' ? 'command_text' : typeof field === 'string' ? field : '';
}

/** Where in `text`, the step's `field`, these tags matched; the whole of it only where nothing narrower matched. */
export function stretchesOf(tags: readonly Tag[], field: string, text: string): Stretch[] {
  const found: Stretch[] = [];
  for (const tag of tags) {
    const { start, end } = tag.evidence;
    if (fieldOf(tag) !== field || typeof start !== 'number' || typeof end !== 'number' || end <= start) continue;
    const stretch = stretchOfBytes(text, start, end);
    const isKnown = found.some((one) => one.start === stretch.start && one.end === stretch.end);
    if (!isKnown && stretch.end > stretch.start) found.push(stretch);
  }
  const length = Array.from(text.trim()).length;
  const narrow = found.filter((one) => one.end - one.start < length);
  return narrow.length > 0 ? narrow : found;
}

export interface Unfolded {
  /** Layers that were taken off, the outermost first: `base64: wget …`. */
  layers: readonly string[];
  /** What the line runs as, where it is not written so. */
  commands: readonly string[];
}

/** What was decoded to see what these tags are on, each thing once and in its order. */
export function unfoldedOf(tags: readonly Tag[], text: string): Unfolded {
  const layers = new Set<string>();
  const commands = new Set<string>();
  const placed = tags.toSorted((one, other) => startOf(one) - startOf(other));
  for (const { evidence } of placed) {
    for (const layer of listOf(evidence['decoded'])) layers.add(layer);
    const { command, matched } = evidence;
    if (typeof command === 'string' && command !== matched && !text.includes(command)) commands.add(command);
  }
  const shown = [...layers].join('\n');
  return { layers: [...layers], commands: [...commands].filter((command) => !shown.includes(command)) };
}

/** The line that copying a step gives: what was typed or sent, as it was. */
export function rawOf({ payload }: Pick<Step, 'payload'>): string {
  for (const field of ['command_text', 'raw_url', 'text', 'url', 'value', 'username', 'signature']) {
    const text = payload[field];
    if (typeof text === 'string' && text !== '') return text;
  }
  return JSON.stringify(payload);
}

const NOTES = new Set(['started', 'ended', 'params', 'log_closed']);

/** A note of the honeypot about itself or the connection, that no rule took for anything. */
export function isNote(step: Pick<Step, 'source_kind' | 'payload' | 'tags'>): boolean {
  return step.source_kind === 'session' && step.tags.length === 0;
}

/** Notes that only frame a session. */
export function isFraming(action: unknown): boolean {
  return typeof action === 'string' && NOTES.has(action);
}

/** What is counted from: the first log-in that succeeded, or else the first step. */
export function zeroOf(steps: readonly Pick<Step, 'observed_at' | 'source_kind' | 'payload'>[]): number {
  const login = steps.find(({ source_kind, payload }) => source_kind === 'auth_attempt' && payload['success'] === true);
  return (login ?? steps[0])?.observed_at ?? 0;
}

function startOf({ evidence }: Tag): number {
  return typeof evidence['start'] === 'number' ? evidence['start'] : 0;
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
