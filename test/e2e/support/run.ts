import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Where a command runs. */
export interface RunOptions {
  /** The whole environment, default the test's own. */
  env?: NodeJS.ProcessEnv;
  /** Default two minutes. */
  timeoutMs?: number;
  /** What it reads from stdin; default: nothing. */
  input?: string;
}

/** Runs a command to its end and gives its stdout; a failure throws with all its output. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const settings = { timeout: options.timeoutMs ?? 120_000, maxBuffer: 64 * 1024 * 1024 };
  try {
    const running = execFileAsync(command, args, { ...settings, env: options.env ?? process.env });
    // Who ends without having read all of it has its reasons, and says so.
    running.child.stdin?.on('error', () => undefined).end(options.input);
    return (await running).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`, { cause: error });
  }
}
