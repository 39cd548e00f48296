import { expect, test } from 'vitest';

import { actorSearch, openSearch, replaySearch, sessionSearch } from './filters';

const UUID = '73d8ba37-90de-56a9-9233-6ef62e49f05a';

test('what an address says is taken over', () => {
  const actors = { sort: 'techniques', technique: 'T1059.004', address: '2001:db8::' };
  expect(actorSearch(actors)).toEqual(actors);
  expect(actorSearch({ address: 198 })).toEqual({ address: '198' });
  const sessions = { attacker: UUID, identity: UUID, decoy: 'a b', protocol: 'ssh', in: false, commands: 3 };
  expect(sessionSearch(sessions)).toEqual(sessions);
  expect(openSearch({ open: 'TA0011:T1105,TA0002:T1059.004' })).toEqual({ open: 'TA0011:T1105,TA0002:T1059.004' });
  expect(replaySearch({ event: UUID, quiet: true })).toEqual({ event: UUID, quiet: true });
});

test('nonsense is left out', () => {
  expect(actorSearch({ sort: 'x', technique: "T1'--", address: '<b>' })).toEqual({});
  expect(sessionSearch({ attacker: 'x', decoy: 'a\0', protocol: 'S S', in: 'yes', commands: -1 })).toEqual({});
  expect(sessionSearch({ decoy: 'a'.repeat(256), commands: 1.5 })).toEqual({});
  expect(openSearch({ open: 'T1105' })).toEqual({});
  expect(replaySearch({ event: 7, quiet: 'no' })).toEqual({});
});
