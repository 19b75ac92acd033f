import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder to run commands in, with these files, gone at the end. */
export async function folderOf(files: Readonly<Record<string, string>>): Promise<{ path: string } & AsyncDisposable> {
  const folder = await mkdtempDisposable(join(tmpdir(), 'entrepot-cli-'));
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder.path, name), content)));
  return folder;
}

/** Runs the real program to its end. @param input what it can read, if anything */
export async function entrepot(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  input?: string,
): Promise<Outcome> {
  return await outcomeOf(startEntrepot(args, cwd, env, input));
}

/** Starts the real program. */
export function startEntrepot(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  input?: string,
): ChildProcess {
  return startNode([MAIN, ...args], cwd, env, input);
}

/** The command line that runs the real program, for a shell. */
export function shellLine(args: readonly string[]): string {
  return [process.execPath, MAIN, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

/** Starts Node with no environment but what is given. */
export function startNode(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  input?: string,
): ChildProcess {
  const stdin = input === undefined ? 'ignore' : 'pipe';
  const child = spawn(process.execPath, args, { cwd, env, stdio: [stdin, 'pipe', 'pipe'] });
  child.stdin?.end(input);
  return child;
}

/** What a process said, once it has ended. */
export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('close', resolve).once('error', reject);
  const [exitCode, stdout, stderr] = await Promise.all([ended, allOf(child.stdout), allOf(child.stderr)]);
  return { exitCode, stdout, stderr };
}

async function allOf(stream: Readable | null): Promise<string> {
  return stream === null ? '' : await text(stream);
}
