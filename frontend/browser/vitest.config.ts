import { defineConfig } from 'vitest/config';

const IS_MEASURED = process.env['DECNET_TEST_MEASURED'] !== undefined;

/** Drives a real Chromium over the built dashboard, served by `decnet serve` on really tagged records. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: [IS_MEASURED ? '**/*.measure.ts' : '**/*.test.ts'],
    globalSetup: IS_MEASURED ? [] : ['recorded.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
