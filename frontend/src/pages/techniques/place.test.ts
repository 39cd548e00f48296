import { expect, test } from 'vitest';

import { place } from './place';

const SHELL = { id: 'T1059.004', name: 'Unix Shell' };
const CRON = { id: 'T1053.003', name: 'Cron' };
const MATRIX = {
  release: 'enterprise-19.2',
  domain: 'enterprise-attack',
  notice: '',
  tactics: [
    {
      id: 'TA0002',
      name: 'Execution',
      url: '',
      techniques: [
        { id: 'T1053', name: 'Scheduled Task/Job', subs: [CRON] },
        { id: 'T1059', name: 'Command and Scripting Interpreter', subs: [SHELL] },
      ],
    },
    {
      id: 'TA0003',
      name: 'Persistence',
      url: '',
      techniques: [{ id: 'T1053', name: 'Scheduled Task/Job', subs: [CRON] }],
    },
  ],
};

test('a technique tells its tactics and each sub-technique once', () => {
  const known = place(MATRIX, 'T1053');
  expect(known).toMatchObject({ name: 'Scheduled Task/Job', parent: null, subs: [CRON] });
  expect(known.tactics.map(({ name }) => name)).toEqual(['Execution', 'Persistence']);
});

test('a sub-technique tells whose it is', () => {
  expect(place(MATRIX, 'T1059.004')).toMatchObject({ name: 'Unix Shell', parent: { id: 'T1059' }, subs: [] });
});

test.each(['T9999', 'T9999.001', 'T1059.099'])('%s has no name and no tactic', (id) => {
  expect(place(MATRIX, id)).toMatchObject({ name: '', tactics: [] });
  expect(place(undefined, id).tactics).toEqual([]);
});
