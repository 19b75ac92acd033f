import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startAdmin } from '../support/admin.ts';
import { outcomeOf, startNode } from './command.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/program.ts', import.meta.url));

/** Runs a command line in a process that tells on standard error which modules it took. */
async function modulesOf(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  const script = `
    import { registerHooks } from 'node:module';
    const taken = [];
    registerHooks({ load: (url, context, next) => { taken.push(url); return next(url, context); } });
    const { runProgram } = await import('${PROGRAM}');
    const exitCode = await runProgram(${JSON.stringify(['node', 'entrepot', ...args])});
    console.error(JSON.stringify(taken));
    process.exit(exitCode);
  `;
  const { exitCode, stderr } = await outcomeOf(startNode(['--input-type=module', '--eval', script], '/', env));
  expect(exitCode).toBe(0);
  return JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as string[];
}

test.each([['pins'], ['gc'], ['warm', 'a'], ['status', '--json']])(
  '%s %s loads no part of the server, and without need of it no configuration',
  async (...args) => {
    await using admin = await startAdmin();
    const modules = await modulesOf(args, { ENTREPOT_ADMIN: admin.url });
    expect(modules.some((name) => name.endsWith('src/cli/admin/admin-client.ts'))).toBe(true);
    const heavy =
      /better-sqlite3|undici|pino|prom-client|hono|zod|\/yaml\/|src\/(server|http|upstream|metadata)|cli-progress/;
    expect(modules.filter((name) => heavy.test(name))).toEqual([]);
  },
);
