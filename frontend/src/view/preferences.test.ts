import { expect, test } from 'vitest';

import { cleaned } from './preferences';

test('choices that exist are kept, all else falls back', () => {
  expect(cleaned({ theme: 'dark', zone: 'mars', rail: 3, live: false, evil: 1 })).toEqual({
    theme: 'dark',
    zone: 'local',
    rail: 'wide',
    live: false,
  });
});
