/** Where nothing was seen yet: every page says so, and what to run. */
import { appendFile } from 'node:fs/promises';

import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { violations } from './axe';
import { asked, comesTrue, logIn, visit, type Items } from './browser';
import { cowrieSession } from './records';
import { onStage } from './stage';

const stage = onStage([]);
let page: Page;
let faults: string[];

beforeAll(async () => {
  ({ page, faults } = await visit(stage.browser));
  await logIn(page, stage.at, stage.at.viewer);
});

test('the overview lays a matrix without colours', async () => {
  await page.getByText('Nothing has been tagged yet').waitFor();
  await page.getByText('decnet serve /path/to/cowrie.json').waitFor();
  expect(await page.locator('.matrix-cell').count()).toBeGreaterThan(200);
  expect(await page.locator('.matrix-cell[data-seen="true"]').count()).toBe(0);
  expect(await violations(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test.each([
  ['identities', 'Nobody was seen'],
  ['attackers', 'No attacker was seen'],
  ['sessions', 'No session began'],
  ['campaigns', 'No campaign was seen'],
])('%s say so', async (list, sentence) => {
  await page.goto(`${stage.at.url}/${list}`);
  await page.getByText(sentence).waitFor();
  await page.getByText('decnet serve --json').waitFor();
  expect(await violations(page)).toEqual([]);
});

test('who only connected has no techniques, in words', async () => {
  const [connected = ''] = cowrieSession({ address: '203.0.113.50' }).split('\n');
  await appendFile(stage.at.log, `${connected}\n`);
  const found = () => asked<Items<{ uuid: string }>>(page, '/identities');
  await comesTrue('somebody was seen', async () => (await found()).items.length === 1);
  await page.goto(`${stage.at.url}/identities/${(await found()).items[0]?.uuid ?? ''}`);
  await page.getByText('No techniques observed yet.').waitFor();
});
