/** The installation with the recorded attack that test files share: made once before the first, ended after the last. */
import type { TestProject } from 'vitest/node';

import { install, type Installation } from './installation';

declare module 'vitest' {
  interface ProvidedContext {
    recorded: Omit<Installation, 'end'>;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { end, ...recorded } = await install();
  project.provide('recorded', recorded);
  return end;
}
