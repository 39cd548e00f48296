/** What is new, as the server tells it (`GET /api/v1/stream`), for every part of the page that looks. */

/** A tag as a line of news. */
export interface LiveTag {
  observed_at: number;
  uuid: string;
  tactic: string;
  technique_id: string;
  sub_technique_id: string | null;
  confidence: number;
  rule_id: string;
  source_kind: string;
  address: string | null;
  decoy: string | null;
  attacker_uuid: string | null;
  identity_uuid: string | null;
  session_uuid: string | null;
}

export type Topic = 'tag' | 'rule' | 'identity' | 'campaign' | 'reset';

export interface News {
  state: 'off' | 'opening' | 'open' | 'waiting';
  /** Newest first. */
  tags: readonly LiveTag[];
  /** Tags that were too many to be told one by one. */
  uncounted: number;
  /** When something was last heard, ms since 1970; null before. */
  heardAt: number | null;
}

const SILENCE: News = { state: 'off', tags: [], uncounted: 0, heardAt: null };
const MOST_TAGS = 300;
const FLUSH_MS = 250;
const REOPEN_MS = 5_000;
const TOPICS: readonly Topic[] = ['rule', 'identity', 'campaign', 'reset'];

/** Opens the stream; `told` hears which subjects changed, four times a second at most. */
export class Stream {
  #news: News = SILENCE;
  #arrived: LiveTag[] = [];
  #uncounted = 0;
  #changed = new Set<Topic>();
  #source: EventSource | null = null;
  #flushing: ReturnType<typeof setTimeout> | null = null;
  #reopening: ReturnType<typeof setTimeout> | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #url: string;
  readonly #told: (topics: ReadonlySet<Topic>) => void;
  readonly #renew: () => Promise<unknown>;

  /** `renew` asks the server something, which renews a log-in that ran out. */
  constructor(url: string, told: (topics: ReadonlySet<Topic>) => void, renew: () => Promise<unknown>) {
    this.#url = url;
    this.#told = told;
    this.#renew = renew;
  }

  open(): void {
    if (this.#source !== null) return;
    const source = new EventSource(this.#url);
    this.#source = source;
    this.#say({ state: 'opening' });
    source.onopen = () => this.#say({ state: 'open', heardAt: Date.now() });
    source.onerror = () => {
      this.#say({ state: 'waiting' });
      if (source.readyState === EventSource.CLOSED) this.#reopen();
    };
    source.addEventListener('tag', (event: MessageEvent<string>) => {
      this.#arrived.push(JSON.parse(event.data) as LiveTag);
      this.#note('tag');
    });
    for (const kind of ['more', 'lost']) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        const { tags, count } = JSON.parse(event.data) as { tags?: number; count?: number };
        this.#uncounted += tags ?? count ?? 0;
        this.#note('tag');
      });
    }
    for (const topic of TOPICS) source.addEventListener(topic, () => this.#note(topic));
  }

  close(): void {
    this.#source?.close();
    this.#source = null;
    if (this.#reopening !== null) clearTimeout(this.#reopening);
    this.#reopening = null;
    this.#say({ state: 'off' });
  }

  /** A browser gives up on a refusal, such as that of a log-in that ran out. */
  #reopen(): void {
    this.#source?.close();
    this.#source = null;
    this.#reopening ??= setTimeout(() => {
      this.#reopening = null;
      void this.#renew().finally(() => this.open());
    }, REOPEN_MS);
  }

  #note(topic: Topic): void {
    this.#changed.add(topic);
    if (this.#flushing === null) this.#flushing = setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    this.#flushing = null;
    const tags = [...this.#arrived.reverse(), ...this.#news.tags].slice(0, MOST_TAGS);
    this.#say({ tags, uncounted: this.#news.uncounted + this.#uncounted, heardAt: Date.now() });
    const changed = this.#changed;
    [this.#arrived, this.#uncounted, this.#changed] = [[], 0, new Set()];
    this.#told(changed);
  }

  #say(part: Partial<News>): void {
    this.#news = { ...this.#news, ...part };
    this.#listeners.forEach((listener) => listener());
  }

  readonly news = (): News => this.#news;

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
