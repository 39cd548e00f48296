import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Stream, type LiveTag, type Topic } from './stream';

/** What a browser gives for an event stream, as far as the page uses it; jsdom has none. */
class Source extends EventTarget {
  static readonly CLOSED = 2;
  static last: Source;
  readyState = 1;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  close = vi.fn();
  constructor(readonly url: string) {
    super();
    Source.last = this;
  }
  say(kind: string, data: object): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
  }
}

const tag = (uuid: string) => ({ uuid, observed_at: 1, technique_id: 'T1105' }) as LiveTag;

let told: Topic[][];
let renewed: number;
let stream: Stream;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', Source);
  [told, renewed] = [[], 0];
  stream = new Stream(
    '/stream',
    (topics) => told.push([...topics]),
    () => Promise.resolve(renewed++),
  );
  stream.open();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a burst of tags is told once, the newest first', () => {
  for (let number = 0; number < 500; number++) Source.last.say('tag', tag(String(number)));
  expect(stream.news().tags).toEqual([]);
  vi.advanceTimersByTime(300);
  expect(stream.news().tags).toHaveLength(300);
  expect(stream.news().tags[0]?.uuid).toBe('499');
  expect(told).toEqual([['tag']]);
});

test('tags that were too many to tell are counted', () => {
  Source.last.say('more', { tags: 40 });
  Source.last.say('lost', { count: 2 });
  vi.advanceTimersByTime(300);
  expect(stream.news().uncounted).toBe(42);
});

test('a refused stream is opened again after the log-in was renewed', async () => {
  const first = Source.last;
  first.readyState = Source.CLOSED;
  first.onerror?.();
  expect(stream.news().state).toBe('waiting');
  await vi.advanceTimersByTimeAsync(5_100);
  expect(renewed).toBe(1);
  expect(Source.last).not.toBe(first);
});

test('a closed stream stays closed', async () => {
  const first = Source.last;
  first.readyState = Source.CLOSED;
  first.onerror?.();
  stream.close();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(Source.last).toBe(first);
  expect(stream.news().state).toBe('off');
});
