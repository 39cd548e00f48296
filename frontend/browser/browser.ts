/** A real Chromium without a head. */
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

import type { Installation, Person } from './installation';

const PROGRAM = process.env['DECNET_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'];
const DESK = { width: 1440, height: 900 };
const PATIENCE_MS = 50_000;

export function openBrowser(): Promise<Browser> {
  if (!existsSync(PROGRAM))
    throw new Error(`no Chromium at ${PROGRAM}; install it, or say where in DECNET_TEST_CHROMIUM`);
  return chromium.launch({ executablePath: PROGRAM, args: FLAGS });
}

export interface Visit {
  page: Page;
  /** Errors of scripts, refused by the Content-Security-Policy or thrown: there are to be none. */
  faults: string[];
}

/** A new person's browser, in which every fault is noted. */
export async function visit(browser: Browser, options: Parameters<Browser['newContext']>[0] = {}): Promise<Visit> {
  const context: BrowserContext = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('status of 401')) faults.push(message.text());
  });
  return { page, faults };
}

/** Logs in as people do and waits for the overview. */
export async function logIn(page: Page, at: Pick<Installation, 'url'>, person: Person): Promise<void> {
  await page.goto(`${at.url}/login`);
  await page.getByLabel('Name').fill(person.name);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

/** The page has its heading, and nothing is under way. */
export async function isDrawn(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('main h1') && !document.querySelector('[aria-busy=true]'));
}

/** The answer of the API to whoever is logged in. */
export async function asked<T>(page: Page, path: string): Promise<T> {
  const answer = await page.request.get(new URL(`/api/v1${path}`, page.url()).href);
  return (await answer.json()) as T;
}

export interface Items<T> {
  items: T[];
}

/** Waits until `claim` holds: the workers take their time. */
export async function comesTrue(words: string, claim: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  while (!(await claim())) {
    if (Date.now() > until) throw new Error(`not after ${PATIENCE_MS / 1000} s: ${words}`);
    await pause(250);
  }
}
