/// <reference types="vitest/config" />
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const packed = promisify(gzip);
const API = 'http://127.0.0.1:8000';

/** Packs every text file once, when it is built, so that the server need not. */
function gzipAhead(): Plugin {
  return {
    name: 'gzip-ahead',
    apply: 'build',
    async writeBundle({ dir = '.' }, bundle) {
      const texts = Object.keys(bundle).filter((name) => /\.(js|css|html|svg)$/.test(name));
      await Promise.all(
        texts.map(async (name) => {
          const path = join(dir, name);
          await writeFile(`${path}.gz`, await packed(await readFile(path), { level: constants.Z_BEST_COMPRESSION }));
        }),
      );
    },
  };
}

export default defineConfig({
  plugins: [react(), gzipAhead()],
  build: {
    outDir: '../decnet/web/dashboard',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0, // the Content-Security-Policy lets no inlined script or style run
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': API } },
  test: { environment: 'node', include: ['src/**/*.test.{ts,tsx}'] },
});
