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

/** Runs the real program to its end. */
export async function entrepot(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return await outcomeOf(startNode([MAIN, ...args], cwd, env));
}

/** Starts Node with no environment but what is given. */
export function startNode(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
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
