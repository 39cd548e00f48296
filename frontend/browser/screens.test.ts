/** Pictures of every page, light and dark; `DECNET_TEST_SCREENS` names the folder, `DECNET_TEST_SCREEN` picks pages by name. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';

import { isDrawn, logIn, visit } from './browser';
import { onStage } from './stage';

const FOLDER = process.env['DECNET_TEST_SCREENS'] ?? join(import.meta.dirname, '..', '..', 'build', 'screens');
const PICKED = new RegExp(process.env['DECNET_TEST_SCREEN'] ?? '');
/** After that campaigns have formed. */
const CLUSTERED_MS = 6_000;
const SCHEMES = ['light', 'dark'] as const;

/** What `path` below the API tells of most, and the page that shows it. */
const best = (list: string, query: string, most: string) => (page: Page) =>
  page
    .evaluate(
      async ({ list, query, most }) => {
        const answer = await fetch(`/api/v1/${list}?${query}`);
        const { items } = (await answer.json()) as { items: Record<string, number | string>[] };
        return items.toSorted((one, other) => Number(other[most]) - Number(one[most]))[0]?.['uuid'];
      },
      { list, query, most },
    )
    .then((uuid) => `/${list}/${uuid ?? ''}`);

const PAGES: Record<string, string | ((page: Page) => Promise<string>)> = {
  overview: '/',
  techniques: '/techniques',
  technique: '/techniques/T1105',
  identities: '/identities',
  identity: best('identities', 'sort=techniques', 'techniques'),
  attackers: '/attackers',
  attacker: best('attackers', 'sort=techniques', 'techniques'),
  sessions: '/sessions',
  session: best('sessions', 'min_commands=5', 'techniques'),
  campaigns: '/campaigns',
  campaign: best('campaigns', 'limit=100', 'identities'),
  rules: '/rules?rule=R0012',
  operations: '/operations',
};

const stage = onStage();

beforeAll(async () => {
  await mkdir(FOLDER, { recursive: true });
  await pause(CLUSTERED_MS);
});

describe.each(SCHEMES)('%s', (colorScheme) => {
  test('every page can be drawn without a fault', async () => {
    const { page, faults } = await visit(stage.browser, { colorScheme, timezoneId: 'UTC' });
    await logIn(page, stage.at, stage.at.admin);
    for (const [name, path] of Object.entries(PAGES)) {
      if (!PICKED.test(name)) continue;
      await page.goto(stage.at.url + (typeof path === 'string' ? path : await path(page)));
      await isDrawn(page);
      await page.screenshot({ path: join(FOLDER, `${name}-${colorScheme}.png`), animations: 'disabled' });
    }
    expect(faults).toEqual([]);
  });
});
