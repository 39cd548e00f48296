import { keepPreviousData } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import { query, type Schemas } from '../../api/client';
import { PAGES } from '../../api/pages';
import { useNames } from '../../api/matrix';
import { Confidence } from '../../parts/Confidence';
import { Hostile } from '../../parts/Hostile';
import { Panel } from '../../parts/Panel';
import { proof } from '../../parts/proof';
import { Answer, Empty } from '../../parts/States';
import { SaveCsv, Table, type Column } from '../../parts/Table';
import { exactId } from '../../parts/Technique';
import { When } from '../../parts/When';
import { useView } from '../../view/useView';

type Tag = Schemas['Tag'];

const PAGE = 100;

/** The tags of a technique, the newest first; each opens the drawer. */
export function EvidenceList({ id }: { id: string }) {
  const { bounds, confidence, change } = useView();
  const names = useNames();
  const asked = query.useInfiniteQuery(
    'get',
    '/api/v1/ttp/tags',
    { params: { query: { technique: id, min_confidence: confidence, limit: PAGE, ...bounds } } },
    {
      ...PAGES,
      placeholderData: keepPreviousData,
    },
  );
  const rows = asked.data?.pages.flatMap((page) => page.items) ?? [];
  const columns: Column<Tag>[] = [
    { name: 'observed', width: '172px', cell: (tag) => <When us={tag.observed_at} />, value: (tag) => tag.observed_at },
    {
      name: 'evidence',
      width: 'minmax(160px, 4fr)',
      cell: (tag) => <Hostile text={proof(tag.evidence)} line />,
      value: (tag) => proof(tag.evidence),
    },
    {
      name: 'technique',
      width: 'minmax(90px, 1.4fr)',
      cell: (tag) => <span title={names.of(exactId(tag))}>{`${exactId(tag)} ${names.of(exactId(tag))}`}</span>,
      value: exactId,
    },
    {
      name: 'confidence',
      width: '106px',
      cell: (tag) => <Confidence value={tag.confidence} />,
      value: (tag) => tag.confidence,
    },
    {
      name: 'rule',
      width: '70px',
      cell: (tag) => (
        <Link to="/rules" search={{ rule: tag.rule_id }}>
          {tag.rule_id}
        </Link>
      ),
      value: (tag) => tag.rule_id,
    },
    {
      name: 'identity',
      width: '130px',
      cell: (tag) => (
        <Link to="/identities/$uuid" params={{ uuid: tag.identity_uuid }}>
          {tag.address === null ? 'identity' : <Hostile text={tag.address} line />}
        </Link>
      ),
      value: (tag) => tag.address ?? tag.identity_uuid,
    },
    {
      name: 'decoy',
      width: 'minmax(70px, 1fr)',
      cell: (tag) => (tag.decoy === null ? '' : <Hostile text={tag.decoy} line />),
      value: (tag) => tag.decoy,
    },
  ];
  const more = asked.hasNextPage && !asked.isFetching ? () => void asked.fetchNextPage() : undefined;
  return (
    <Panel title="Evidence" flush actions={<SaveCsv columns={columns} rows={rows} name={`evidence-${id}`} />}>
      <Answer of={asked} rows={10}>
        {() =>
          rows.length === 0 ? (
            <Empty>Nothing shows this technique in this time and with this confidence.</Empty>
          ) : (
            <Table
              label="Evidence"
              columns={columns}
              rows={rows}
              keyOf={(tag) => `${tag.observed_at}.${tag.uuid}`}
              open={(tag) => change({ tag: `${tag.observed_at}.${tag.uuid}` })}
              more={more}
              height="max(320px, calc(100vh - 446px))"
            />
          )
        }
      </Answer>
    </Panel>
  );
}
