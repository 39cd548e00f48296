/** What axe-core finds on a page that would keep people out. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import type { Page } from 'playwright-core';

const SOURCE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const GRAVE = ['serious', 'critical'];

interface Result {
  violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[];
}

/** Serious and critical violations, as `rule: element`; there are to be none. */
export async function violations(page: Page): Promise<string[]> {
  // the page's own Content-Security-Policy lets no script tag in; this runs beside the page
  await page.evaluate(await readFile(SOURCE, 'utf8'));
  const { violations: found } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run: () => Promise<Result> } }).axe.run(),
  );
  return found
    .filter(({ impact }) => GRAVE.includes(impact))
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
    );
}
