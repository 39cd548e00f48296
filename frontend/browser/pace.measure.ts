/** How quick the dashboard is over a large store; `python -m bench.dashboard` fills one and names it. */
import { appendFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';

import { logIn, openBrowser, visit } from './browser';
import { install, type Installation } from './installation';
import { cowrieSession } from './records';

const LOADS = 7;
const REDRAWS = 20;
const LIVE_S = 10;
const TAGS_PER_S = 60;

let at: Installation;
let browser: Browser;

beforeAll(async () => {
  [at, browser] = await Promise.all([install([], process.env['DECNET_TEST_MEASURED']), openBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await at.end();
});

function told(what: string, values: number[], unit: string): void {
  const sorted = values.toSorted((one, other) => one - other);
  const share = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  const median = share(0.5).toFixed(0);
  process.stdout.write(
    `${what}: median ${median} ${unit}, p95 ${share(0.95).toFixed(0)} ${unit} of ${values.length}\n`,
  );
}

/** The matrix is drawn with its counts, and nothing is under way. */
function isDrawn(page: Page): Promise<unknown> {
  return page.waitForFunction(
    () =>
      /\d/.test(document.querySelector('.overview-summary')?.textContent ?? '') &&
      !document.querySelector('[aria-busy=true]'),
  );
}

test('first view', { timeout: 300_000 }, async () => {
  const { page } = await visit(browser);
  await logIn(page, at, at.viewer);
  const session = await page.context().newCDPSession(page);
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  const times: number[] = [];
  for (let load = 0; load < LOADS; load++) {
    await page.goto(at.url, { waitUntil: 'commit' });
    await isDrawn(page);
    times.push(await page.evaluate(() => performance.now()));
  }
  told('first view, no cache, until everything is drawn', times, 'ms');
});

test('redraw of the matrix', { timeout: 300_000 }, async () => {
  const { page } = await visit(browser);
  await logIn(page, at, at.viewer);
  await isDrawn(page);
  const times = await page.evaluate(async (most) => {
    const switches = [...document.querySelectorAll<HTMLButtonElement>('button')].filter(
      (one) => one.textContent === 'Seen only',
    );
    const found: number[] = [];
    const frame = () => new Promise((begun) => requestAnimationFrame(begun));
    for (let redraw = 0; redraw < most; redraw++) {
      // From the beginning of a frame: what is timed is work, without the wait for the screen.
      await frame();
      const begin = performance.now();
      switches[0]?.click();
      await new Promise((painted) => setTimeout(painted));
      found.push(performance.now() - begin);
      const isHidden = document.querySelector<HTMLElement>('.matrix')?.dataset['unseen'] === 'hidden';
      if (isHidden !== (redraw % 2 === 0)) throw new Error('timed before the matrix changed');
      await new Promise((rested) => setTimeout(rested, 300));
    }
    return found;
  }, REDRAWS);
  told('matrix redrawn, all cells to seen ones and back, from click to painted frame', times, 'ms');
});

test('live', { timeout: 300_000 }, async () => {
  const { page } = await visit(browser);
  await logIn(page, at, at.viewer);
  await isDrawn(page);
  const frames = page.evaluate(async (seconds) => {
    const found: number[] = [];
    let last = performance.now();
    const end = last + seconds * 1000;
    while (last < end) {
      const now = await new Promise<number>((drawn) => requestAnimationFrame(drawn));
      found.push(now - last);
      last = now;
    }
    return found;
  }, LIVE_S);
  const commands = Array.from({ length: TAGS_PER_S / 2 }, (_, number) => `wget http://203.0.113.9/${number}`);
  for (let second = 0; second < LIVE_S; second++) {
    const address = `203.0.113.${second + 1}`;
    await appendFile(
      at.log,
      cowrieSession({ address, commands }) + cowrieSession({ address, commands, sensor: 'decoy-b' }),
    );
    await pause(1_000);
  }
  told(`frames while ${TAGS_PER_S} tags a second come in`, (await frames).slice(1), 'ms');
});
