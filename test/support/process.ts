import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a process ended. */
export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Where a process runs and when it counts as started. */
export interface ProcessOptions {
  cwd?: string;
  /** Added to the test's own environment; `undefined` takes a variable away. */
  env?: Record<string, string | undefined>;
  /** Says whether the process is ready, asked again and again; default: at once. */
  ready?: (process: RunningProcess) => boolean | Promise<boolean>;
  /** Default 30 seconds. */
  readyTimeoutMs?: number;
  /** How long SIGTERM may take before SIGKILL follows, default 15 seconds. */
  stopTimeoutMs?: number;
}

const KEPT_OUTPUT_CHARACTERS = 200_000;
const running = new Set<RunningProcess>();

/** A process that is ended, with the processes it started, when it is disposed of. */
export class RunningProcess implements AsyncDisposable {
  readonly command: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<ExitStatus>;
  readonly #stopTimeoutMs: number;
  #exitStatus: ExitStatus | undefined;
  #output = '';

  /** Use `startProcess`. */
  constructor(command: string, args: readonly string[], options: ProcessOptions) {
    this.command = [command, ...args].join(' ');
    this.#stopTimeoutMs = options.stopTimeoutMs ?? 15_000;
    // Its own process group, so that what it starts ends with it.
    this.#child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#exited = this.#watch();
    running.add(this);
  }

  /** Process id, also of the group. */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.command} did not start`);
    return pid;
  }

  /** What it wrote to stdout and stderr, the last 200,000 characters of it. */
  get output(): string {
    return this.#output;
  }

  /** `undefined` as long as it runs. */
  get exitStatus(): ExitStatus | undefined {
    return this.#exitStatus;
  }

  /** Settles when the process has ended. */
  get exited(): Promise<ExitStatus> {
    return this.#exited;
  }

  /** Calls `listener` with each piece of stdout. */
  onStdout(listener: (text: string) => void): void {
    this.#child.stdout?.on('data', listener);
  }

  /** Asks it to end and waits; kills it if that takes too long, and throws then. */
  async stop(): Promise<ExitStatus> {
    if (this.#exitStatus !== undefined) return this.#exitStatus;
    this.#child.kill('SIGTERM');
    const timer = new AbortController();
    const late = sleep(this.#stopTimeoutMs, undefined, { signal: timer.signal }).catch(() => undefined);
    const status = await Promise.race([this.#exited, late]);
    timer.abort();
    await this.kill();
    if (status === undefined) throw new Error(this.#describe('did not end on SIGTERM'));
    return status;
  }

  /** Ends it, and what is left of its group, with SIGKILL. */
  async kill(): Promise<ExitStatus> {
    this.killNow();
    return this.#exited;
  }

  /** Sends SIGKILL to the group and doesn't wait. */
  killNow(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Waits for `ready`; throws with the output if it ends before or takes too long. */
  async waitUntil(ready: (process: RunningProcess) => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await ready(this))) {
      if (this.#exitStatus !== undefined) throw new Error(this.#describe('ended too early'));
      if (Date.now() > deadline) throw new Error(this.#describe(`was not ready after ${timeoutMs} ms`));
      await sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #watch(): Promise<ExitStatus> {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT_CHARACTERS);
      });
    }
    try {
      const [code, signal] = (await once(this.#child, 'exit')) as [number | null, NodeJS.Signals | null];
      this.#exitStatus = { code, signal };
    } catch (error) {
      this.#output += String(error);
      this.#exitStatus = { code: null, signal: null };
    }
    running.delete(this);
    return this.#exitStatus;
  }

  #describe(what: string): string {
    const { code, signal } = this.#exitStatus ?? {};
    const end = this.#exitStatus === undefined ? '' : ` (code ${code}, signal ${signal})`;
    return `${this.command} ${what}${end}\n${this.#output}`;
  }
}

/** Starts a process and waits until it is ready. */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<RunningProcess> {
  const started = new RunningProcess(command, args, options);
  try {
    await started.waitUntil(options.ready ?? (() => true), options.readyTimeoutMs);
  } catch (error) {
    await started.kill();
    throw error;
  }
  return started;
}

/** A port of 127.0.0.1 on which nothing listens at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

process.once('exit', () => {
  for (const each of running) each.killNow();
});
