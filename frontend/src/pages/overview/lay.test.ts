import { expect, test } from 'vitest';

import type { Schemas } from '../../api/client';
import { freshSince, layOut, picked, shortName } from './lay';
import { paths, walk } from './walk';

const MATRIX: Schemas['Matrix'] = {
  release: 'enterprise-19.2',
  domain: 'enterprise-attack',
  notice: '',
  tactics: [
    {
      id: 'TA0002',
      name: 'Execution',
      url: '',
      techniques: [
        { id: 'T1651', name: 'Cloud Administration Command', subs: [] },
        {
          id: 'T1059',
          name: 'Command and Scripting Interpreter',
          subs: [
            { id: 'T1059.004', name: 'Unix Shell' },
            { id: 'T1059.006', name: 'Python' },
          ],
        },
      ],
    },
    { id: 'TA0004', name: 'Privilege Escalation', url: '', techniques: [] },
    {
      id: 'TA0007',
      name: 'Discovery',
      url: '',
      techniques: [{ id: 'T1082', name: 'System Information Discovery', subs: [] }],
    },
  ],
};

function row(tactic: string, id: string, count: number, confidence = 0.9, first = 0): Schemas['Seen'] {
  const [parent = '', sub] = id.split('.');
  return {
    tactic,
    tactic_name: '',
    technique_id: parent,
    sub_technique_id: sub === undefined ? null : id,
    name: `name of ${id}`,
    url: '',
    attack_release: 'enterprise-19.2',
    count,
    first_seen: first,
    last_seen: first,
    max_confidence: confidence,
    shown_confidence: confidence,
  };
}

const NOTHING_NEW = new Set<string>();

test('a technique counts with its sub-techniques and is as sure as the surest of them', () => {
  const seen = [row('TA0002', 'T1059', 1, 0.6), row('TA0002', 'T1059.004', 29, 0.9), row('TA0002', 'T1059.006', 2)];
  const { columns, most } = layOut(MATRIX, seen, NOTHING_NEW);
  const cell = columns[0]?.cells.find(({ id }) => id === 'T1059');
  expect(cell).toMatchObject({ count: 32, confidence: 0.9 });
  expect(cell?.subs.map(({ id, count }) => [id, count])).toEqual([
    ['T1059.004', 29],
    ['T1059.006', 2],
  ]);
  expect(columns[0]).toMatchObject({ count: 32, seen: 1 });
  expect(most).toBe(32);
});

test('techniques that were seen come first', () => {
  const { columns } = layOut(MATRIX, [row('TA0002', 'T1059', 1)], NOTHING_NEW);
  expect(columns[0]?.cells.map(({ id }) => id)).toEqual(['T1059', 'T1651']);
});

test('tags of another release keep their place under the tactic, or are counted elsewhere', () => {
  const seen = [row('TA0002', 'T9001', 3), row('TA0002', 'T1059.099', 4), row('TA0999', 'T1059', 5)];
  const { columns, elsewhere } = layOut(MATRIX, seen, NOTHING_NEW);
  expect(columns[0]?.cells.map(({ id, name, count }) => [id, name, count])).toEqual([
    ['T1059', 'Command and Scripting Interpreter', 4],
    ['T9001', 'name of T9001', 3],
    ['T1651', 'Cloud Administration Command', 0],
  ]);
  expect(elsewhere).toBe(5);
});

test('a new sub-technique marks its technique', () => {
  const seen = [row('TA0002', 'T1059.004', 1, 0.9, 50), row('TA0007', 'T1082', 1, 0.9, 10)];
  const { columns } = layOut(MATRIX, seen, freshSince(seen, 50));
  expect(columns[0]?.cells[0]).toMatchObject({ id: 'T1059', isNew: true });
  expect(columns[2]?.cells[0]).toMatchObject({ id: 'T1082', isNew: false });
});

test('names do not repeat their tactic', () => {
  expect(shortName('System Information Discovery', 'Discovery')).toBe('System Information');
  expect(shortName('Command and Scripting Interpreter', 'Execution')).toBe('Command & Scripting Interpreter');
});

test('a filter finds ids and names, also of sub-techniques', () => {
  const { columns } = layOut(MATRIX, [], NOTHING_NEW);
  const ids = (text: string) => picked(columns, text).map(({ cells }) => cells.map(({ id }) => id));
  expect(ids('python')).toEqual([['T1059'], [], []]);
  expect(ids('t1082')).toEqual([[], [], ['T1082']]);
  expect(picked(columns, ' ')).toBe(columns);
});

test('arrow keys walk through open sub-techniques and pass empty columns', () => {
  const { columns } = layOut(MATRIX, [row('TA0002', 'T1059.004', 1)], NOTHING_NEW);
  const ways = paths(columns, new Set(['TA0002/T1059']), false);
  expect(ways[0]).toEqual(['TA0002/T1059', 'TA0002/T1059.004', 'TA0002/T1059.006', 'TA0002/T1651']);
  expect(walk(ways, 'TA0002/T1059', 'ArrowDown')).toBe('TA0002/T1059.004');
  expect(walk(ways, 'TA0002/T1059.006', 'ArrowRight')).toBe('TA0007/T1082');
  expect(walk(ways, 'TA0007/T1082', 'ArrowLeft')).toBe('TA0002/T1059');
  expect(walk(ways, 'TA0002/T1059.004', 'End')).toBe('TA0002/T1651');
  expect(walk(ways, 'TA0002/T1059', 'ArrowUp')).toBeUndefined();
  expect(walk(ways, 'TA0002/T1059', 'x')).toBeUndefined();
});

test('arrow keys pass what is out of sight', () => {
  const { columns } = layOut(MATRIX, [row('TA0002', 'T1059.004', 1)], NOTHING_NEW);
  expect(paths(columns, new Set(['TA0002/T1059']), true)).toEqual([
    ['TA0002/T1059', 'TA0002/T1059.004', 'TA0002/T1059.006'],
    [],
    [],
  ]);
});
