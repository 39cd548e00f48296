/** What the tests of a file share. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, inject } from 'vitest';

import { openBrowser } from './browser';
import { install, type Installation } from './installation';

export interface Stage {
  at: Omit<Installation, 'end'>;
  browser: Browser;
}

/**
 * A browser, there while the file's tests run, and an installation: with those logs, or, without any, the one with the
 * recorded attack that all such files share. Who changes something in that one puts it back.
 */
export function onStage(logs?: readonly string[]): Stage {
  const stage = {} as Stage;
  let own: Installation | undefined;
  beforeAll(async () => {
    [own, stage.browser] = await Promise.all([logs && install(logs), openBrowser()]);
    stage.at = own ?? inject('recorded');
  });
  afterAll(async () => {
    await stage.browser.close();
    await own?.end();
  });
  return stage;
}
