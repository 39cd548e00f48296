import { gzipSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { violations } from './axe';
import { isDrawn, logIn, visit } from './browser';
import { onStage } from './stage';

/** All that the first view loads, packed; see the targets of the project. */
const BUDGET_BYTES = 250_000;

const stage = onStage();

test('an address pasted into the search leads to its attacker', async () => {
  const { page, faults } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('198.51.100.25');
  await page.getByRole('option', { name: /attacker 198\.51\.100\.25/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/attackers\//);
  await page.getByText('198.51.100.25').first().waitFor();
  expect(faults).toEqual([]);
});

test('a tag’s address opens the drawer with its evidence, its rule and its event', async () => {
  const { page, faults } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  const tag = await page.evaluate(async () => {
    const answer = await fetch('/api/v1/ttp/tags?technique=T1105&source_kind=command&limit=1');
    return ((await answer.json()) as { items: [{ observed_at: number; uuid: string; evidence: { matched: string } }] })
      .items[0];
  });
  await page.goto(`${stage.at.url}/rules?tag=${tag.observed_at}.${tag.uuid}`);
  const drawer = page.getByRole('complementary', { name: 'Tag' });
  await drawer.getByRole('heading', { name: /T1105 Ingress Tool Transfer/ }).waitFor();
  await drawer.getByText('Version').first().waitFor();
  expect(await drawer.locator('mark').first().textContent()).toBe(tag.evidence.matched);
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'detached' });
  expect(faults).toEqual([]);
});

test('every page is reached by keys, and the keys are told', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  for (const [key, path] of Object.entries({ i: 'identities', s: 'sessions', r: 'rules', x: 'operations', o: '' })) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForURL(new RegExp(`/${path}(\\?|$)`));
  }
});

test('the stretch of time and the floor of confidence stay from page to page and in the address', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  await page.getByLabel('Stretch of time').selectOption('30d');
  await page.getByLabel('Confidence').selectOption('0.8');
  await page.getByRole('link', { name: 'Identities' }).click();
  await page.waitForURL(/identities/);
  expect(new URL(page.url()).searchParams.get('range')).toBe('30d');
  await page.reload();
  expect(await page.getByLabel('Confidence').inputValue()).toBe('0.8');
});

test('the first view loads at most 250 KB', async () => {
  const { page } = await visit(stage.browser);
  const sizes: number[] = [];
  page.on('response', (response) => {
    if (!response.url().includes('/api/')) void response.body().then((body) => sizes.push(gzipSync(body).length));
  });
  await logIn(page, stage.at, stage.at.viewer);
  await isDrawn(page);
  const sum = sizes.reduce((one, other) => one + other, 0);
  expect(sizes.length).toBeGreaterThan(3);
  expect(sum).toBeLessThanOrEqual(BUDGET_BYTES);
});

test('nothing is asked of any other host', async () => {
  const { page } = await visit(stage.browser);
  const hosts = new Set<string>();
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  await logIn(page, stage.at, stage.at.viewer);
  await page.goto(`${stage.at.url}/rules`);
  expect([...hosts]).toEqual([new URL(stage.at.url).host]);
});
