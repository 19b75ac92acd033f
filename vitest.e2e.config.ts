import { defineConfig } from 'vitest/config';

/** Real clients and servers: slow, one file after the other, with what Debian's packages bring. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/install.ts'],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
});
