import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Black-box tests: each needs nearly all modules, and loading them once for each worker saves half the time. */
const WHOLE_SERVERS = ['test/conformance/**/*.test.ts', 'test/faults/**/*.test.ts'];
/** Tests of one part that take seconds: many processes, long histories, real waiting. */
const SLOW = ['test/**/*.slow.test.ts'];
/** Real clients and servers, with what Debian's packages bring. */
const CLIENTS = ['test/e2e/**/*.test.ts'];
/** Most tests wait for timers, disks and other processes: two at once even on two cores. */
const WORKERS = Math.max(2, availableParallelism() - 1);

/** `npm test` is the project `quick`, `npm run test:e2e` all others. */
export default defineConfig({
  test: {
    // The programs that tests start are compiled once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/node', import.meta.url)) },
    projects: [
      project('quick', {
        include: ['test/**/*.test.ts'],
        exclude: [...WHOLE_SERVERS, ...SLOW, ...CLIENTS],
      }),
      project('slow', { include: SLOW }),
      project('servers', { include: WHOLE_SERVERS, isolate: false }),
      {
        extends: true,
        test: {
          name: 'clients',
          include: CLIENTS,
          globalSetup: ['test/e2e/support/install.ts'],
          // One file after the other, when all else is over.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});

function project(name: string, files: { include: string[]; exclude?: string[]; isolate?: boolean }) {
  return {
    extends: true as const,
    test: {
      name,
      ...files,
      setupFiles: ['test/support/fixed-seed.ts'],
      maxWorkers: WORKERS,
      testTimeout: 20_000,
      hookTimeout: 20_000,
    },
  };
}
