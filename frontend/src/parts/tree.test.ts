import { describe, expect, test } from 'vitest';

import type { Schemas } from '../api/client';
import { treeOf, weightOf } from './tree';

const DAY = 86_400_000_000;

function row(part: Partial<Schemas['Seen']>): Schemas['Seen'] {
  return {
    tactic: 'TA0002',
    tactic_name: 'Execution',
    technique_id: 'T1059',
    sub_technique_id: null,
    name: 'Command and Scripting Interpreter',
    url: '',
    attack_release: 'enterprise-19.2',
    count: 1,
    first_seen: 10,
    last_seen: 20,
    max_confidence: 0.7,
    shown_confidence: 0.7,
    ...part,
  };
}

const shell = row({
  sub_technique_id: 'T1059.004',
  name: 'Unix Shell',
  count: 5,
  first_seen: 3,
  shown_confidence: 0.9,
});
const python = row({ sub_technique_id: 'T1059.006', name: 'Python', count: 7, last_seen: 40 });

describe('a tree of techniques', () => {
  test('a technique sums up its sub-techniques and itself', () => {
    const [tactic] = treeOf([shell, python, row({})], ['TA0002']);
    const technique = tactic?.techniques[0];
    expect([technique?.id, technique?.name]).toEqual(['T1059', 'Command and Scripting Interpreter']);
    expect([technique?.count, technique?.firstSeen, technique?.lastSeen]).toEqual([13, 3, 40]);
    expect(technique?.confidence).toBe(0.9);
    expect(technique?.subs.map((sub) => [sub.id, sub.count])).toEqual([
      ['T1059.006', 7],
      ['T1059.004', 5],
    ]);
  });

  test('does not depend on the order of what was seen', () => {
    const tree = treeOf([shell, row({}), python], ['TA0002']);
    expect(treeOf([row({}), python, shell], ['TA0002'])).toEqual(tree);
  });

  test('tactics stand as in the matrix, unknown ones last', () => {
    const rows = ['TA0102', 'TA0040', 'TA0002'].map((tactic) => row({ tactic }));
    expect(treeOf(rows, ['TA0002', 'TA0040']).map(({ id }) => id)).toEqual(['TA0002', 'TA0040', 'TA0102']);
  });

  test('rows of two releases are one', () => {
    const [tactic] = treeOf([shell, { ...shell, attack_release: 'enterprise-18.0' }], []);
    expect(tactic?.techniques[0]?.subs.map((sub) => sub.count)).toEqual([10]);
  });

  test('days run up to the newest, with none left out', () => {
    const day = (at: number, count: number) => ({
      started_at: at * DAY,
      tactic: 'TA0002',
      technique_id: 'T1059',
      sub_technique_id: 'T1059.004',
      count,
    });
    const [tactic] = treeOf([shell], [], [day(100, 2), day(103, 3)]);
    expect(tactic?.techniques[0]?.days).toEqual([2, 0, 0, 3]);
    expect(tactic?.techniques[0]?.subs[0]?.days).toEqual([2, 0, 0, 3]);
    const [long] = treeOf([shell], [], [day(1, 2), day(103, 3)]);
    expect(long?.techniques[0]?.days).toHaveLength(30);
  });

  test('a bar weighs counts by confidence', () => {
    const [tactic] = treeOf([shell], []);
    expect(weightOf(tactic?.techniques[0]?.subs[0] ?? fail())).toBeCloseTo(4.5);
  });
});

function fail(): never {
  throw new Error('there is no sub-technique');
}
