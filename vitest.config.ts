import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Black-box tests: each needs nearly all modules, and loading them once for each worker saves half the time. */
const WHOLE_SERVERS = ['test/conformance/**/*.test.ts', 'test/faults/**/*.test.ts'];

export default defineConfig({
  test: {
    // Most tests wait for timers, disks and other processes: two at once even on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // The programs that tests start are compiled once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/node', import.meta.url)) },
    setupFiles: ['test/support/fixed-seed.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      { extends: true, test: { name: 'servers', include: WHOLE_SERVERS, isolate: false } },
      {
        extends: true,
        test: { name: 'parts', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**', ...WHOLE_SERVERS] },
      },
    ],
  },
});
