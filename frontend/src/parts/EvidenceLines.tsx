import { query } from '../api/client';
import { PAGES } from '../api/pages';
import { confidence as twoDigits, count } from '../view/numbers';
import { useView } from '../view/useView';
import { Hostile } from './Hostile';
import { quoteOf } from './quote';
import { Answer } from './States';
import { When } from './When';
import { SessionLink } from './Who';

interface Props {
  scope: 'attacker' | 'identity' | 'campaign' | 'session';
  uuid: string;
  technique: string;
  /** Only tags under this tactic. */
  tactic: string;
  name: string;
}

const AT_ONCE = 25;

/** Why somebody is said to use a technique: line after line, the newest first; each opens the drawer. */
export function EvidenceLines({ scope, uuid, technique, tactic, name }: Props) {
  const { bounds, confidence, change } = useView();
  const tags = query.useInfiniteQuery(
    'get',
    '/api/v1/ttp/tags/by-{scope}/{uuid}/{technique}',
    {
      params: {
        path: { scope, uuid, technique },
        query: { ...bounds, min_confidence: confidence, limit: AT_ONCE },
      },
    },
    PAGES,
  );
  return (
    <Answer of={tags} rows={3}>
      {({ pages }) => {
        const lines = pages.flatMap((page) => page.items).filter((tag) => tag.tactic === tactic);
        return (
          <>
            <ul className="evidence-lines" aria-label={`Evidence of ${technique} ${name}`}>
              {lines.map((tag) => (
                <li key={`${tag.observed_at}.${tag.uuid}`}>
                  <When us={tag.observed_at} />
                  <button
                    type="button"
                    className="evidence-line"
                    onClick={() => change({ tag: `${tag.observed_at}.${tag.uuid}` })}
                  >
                    <Hostile line text={quoteOf(tag)} />
                  </button>
                  <span className="dim">{tag.rule_id}</span>
                  <span className="number">{twoDigits(tag.confidence)}</span>
                  <span>
                    {tag.session_uuid !== null && (
                      <SessionLink uuid={tag.session_uuid} {...eventIn(tag.source_id)} text="session" />
                    )}
                  </span>
                </li>
              ))}
            </ul>
            {lines.length === 0 && !tags.hasNextPage && <p className="dim">No evidence in this stretch of time.</p>}
            {tags.hasNextPage && (
              <button
                type="button"
                className="button small"
                disabled={tags.isFetchingNextPage}
                onClick={() => void tags.fetchNextPage()}
              >
                More than {count(lines.length)}: go on
              </button>
            )}
          </>
        );
      }}
    </Answer>
  );
}

const DIGITS = /^[0-9a-f]{32}$/;

/** The event that a tag's source is, as the replay names it. */
function eventIn(sourceId: string): { event?: string } {
  if (!DIGITS.test(sourceId)) return {};
  return { event: sourceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') };
}
