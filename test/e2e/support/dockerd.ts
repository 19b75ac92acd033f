import { join } from 'node:path';
import { type RunningProcess, startProcess } from '../../support/process.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts';
import { killLeftover, unmountBelow } from './leftovers.ts';
import { run } from './run.ts';
import { sealedEnvironment } from './sealed-environment.ts';

/** A Docker daemon of its own. */
export class Dockerd implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;
  readonly #process: RunningProcess;

  /** Use `startDockerd`. */
  constructor(directory: TemporaryDirectory, process: RunningProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  /** What the daemon wrote. */
  get output(): string {
    return this.#process.output;
  }

  /** Runs the docker command line and gives what it prints. */
  async docker(...args: string[]): Promise<string> {
    return docker(this.#directory.path, args);
  }

  /** Logs in, for this daemon's command line only. */
  async login(registry: string, username: string, password: string): Promise<void> {
    await docker(this.#directory.path, ['login', '--username', username, '--password-stdin', registry], password);
  }

  /** A path in the temporary folder, for what docker reads. */
  path(name: string): string {
    return join(this.#directory.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process.stop();
    } finally {
      await cleanUp(this.#directory);
    }
  }
}

/** Starts dockerd. @param mirror its only registry mirror; default: none */
export async function startDockerd(mirror?: string): Promise<Dockerd> {
  // A short name: the path of a unix socket has at most 107 characters.
  const directory = await temporaryDirectory('e-');
  const { path } = directory;
  const folders = ['--data-root', join(path, 'data'), '--exec-root', join(path, 'exec')];
  const socket = ['--pidfile', join(path, 'pid'), '-H', `unix://${join(path, 'sock')}`];
  const network = ['--iptables=false', '--bridge=none', ...(mirror === undefined ? [] : ['--registry-mirror', mirror])];
  try {
    const process = await startProcess('dockerd', [...network, ...folders, ...socket], {
      env: sealedEnvironment(path),
      readyTimeoutMs: 60_000,
      stopTimeoutMs: 30_000,
      ready: async () => {
        const version = docker(path, ['version', '--format', '{{.Server.Version}}']);
        return version.then(() => true).catch(() => false);
      },
    });
    return new Dockerd(directory, process);
  } catch (error) {
    await cleanUp(directory);
    throw error;
  }
}

async function docker(directory: string, args: readonly string[], input = ''): Promise<string> {
  const env = sealedEnvironment(directory);
  return run('docker', ['--host', `unix://${join(directory, 'sock')}`, ...args], { env, input });
}

/** dockerd ends the containerd it started and unmounts its folders, but not if it was killed. */
async function cleanUp(directory: TemporaryDirectory): Promise<void> {
  const containerd = join(directory.path, 'exec/containerd');
  await killLeftover(join(containerd, 'containerd.pid'), containerd);
  await unmountBelow(directory.path);
  await directory[Symbol.asyncDispose]();
}
