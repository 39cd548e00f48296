import { expect, test } from 'vitest';

import { connectorsOf, depthOf, lanesOf, layoutOf, phaseInWords } from './swim';

const SIZES = { row: 10, gap: 4, least: 30 };

function span(identity_uuid: string, phase: string | null, first_seen: number, last_seen: number) {
  return { identity_uuid, tactic: 'TA0000', phase, first_seen, last_seen, count: 2 };
}

const spans = [
  span('b', 'discovery', 50, 60),
  span('a', 'command_and_control', 10, 20),
  span('a', 'delivery', 0, 5),
  span('a', 'delivery', 4, 9),
  span('a', 'delivery', 30, 31),
  span('a', null, 0, 99),
];

test('lanes stand by their beginnings, phases in the order of the chain, and what overlaps is one', () => {
  expect(lanesOf(spans)).toEqual([
    {
      identity: 'a',
      rows: [
        {
          phase: 'delivery',
          stretches: [
            { since: 0, until: 9, count: 4 },
            { since: 30, until: 31, count: 2 },
          ],
        },
        { phase: 'command_and_control', stretches: [{ since: 10, until: 20, count: 2 }] },
      ],
    },
    { identity: 'b', rows: [{ phase: 'discovery', stretches: [{ since: 50, until: 60, count: 2 }] }] },
  ]);
});

test('connectors lead from what was left to what was taken up', () => {
  const layout = layoutOf(lanesOf(spans), SIZES);
  expect(layout.height).toBe(2 * (30 + 4));
  const handOff = {
    giver_uuid: 'a',
    taker_uuid: 'b',
    decoy: 'd',
    session_uuid: 's',
    left_at: 20,
    taker_session_uuid: 't',
    taken_at: 50,
    weight: 1,
  };
  const gone = { ...handOff, taken_at: null, taker_session_uuid: null };
  const unknown = { ...handOff, taker_uuid: 'c' };
  expect(connectorsOf([handOff, gone, unknown], layout, (us) => us)).toEqual([
    { handOff, from: { x: 20, y: 2 + 15 }, to: { x: 50, y: 34 + 2 + 5 } },
  ]);
});

test('phases are told in words, and how deep they are', () => {
  expect(phaseInWords('command_and_control')).toBe('Command and control');
  expect([depthOf('reconnaissance'), depthOf('impact')]).toEqual([0, 1]);
});
