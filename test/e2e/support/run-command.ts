import { execFile } from 'node:child_process';
import { join } from 'node:path';

/** How a command of the program ended. */
interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const TIMEOUT_MS = 300_000;

/** Runs `entrepot ...args` against the mirror whose admin listener is at that URL, as an operator does. */
function runCommand(adminUrl: string, ...args: readonly string[]): Promise<CommandResult> {
  const startedAt = performance.now();
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ENTREPOT_ADMIN: adminUrl };
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  const options = { env, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 };
  execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
    const code = error === null ? 0 : error.code;
    if (typeof code === 'number') resolve({ code, stdout, stderr, ms: performance.now() - startedAt });
    else reject(new Error(`entrepot ${args.join(' ')} did not end by itself`, { cause: error }));
  });
  return promise;
}

/** Runs a command that must succeed, and gives what it prints with `--json`. */
export async function runJsonCommand<Result>(adminUrl: string, ...args: readonly string[]): Promise<Result> {
  const { code, stdout, stderr } = await runCommand(adminUrl, ...args, '--json');
  if (code !== 0) throw new Error(`entrepot ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`);
  return JSON.parse(stdout) as Result;
}
