import { expect, test } from 'vitest';

import { newest, type NewTag } from './newest';

function tag(observed_at: number, part: Partial<NewTag> = {}): NewTag {
  return {
    observed_at,
    uuid: `uuid-${observed_at}`,
    tactic: 'TA0002',
    technique_id: 'T1059',
    sub_technique_id: null,
    confidence: 0.9,
    address: '198.51.100.1',
    decoy: 'web-01',
    identity_uuid: null,
    source_kind: 'command',
    rule_id: 'R0001',
    ...part,
  };
}

test('a tag that is told and listed is there once', () => {
  const rows = newest([tag(3), tag(2)], [tag(2), tag(1)], { confidence: 0.6 }, 10);
  expect(rows.map(({ observed_at }) => observed_at)).toEqual([3, 2, 1]);
});

test('what is told passes the filters of the page', () => {
  const live = [
    tag(9, { confidence: 0.5 }),
    tag(8, { decoy: 'ssh-02' }),
    tag(7, { source_kind: 'session' }),
    tag(6),
    tag(1),
  ];
  const rows = newest(live, [], { confidence: 0.6, decoy: 'web-01', kind: 'command', since: 2, until: 7 }, 10);
  expect(rows.map(({ observed_at }) => observed_at)).toEqual([6]);
});

test('there are no more than so many', () => {
  const many = Array.from({ length: 500 }, (_, index) => tag(index));
  expect(newest(many, [], { confidence: 0 }, 40)).toHaveLength(40);
});
