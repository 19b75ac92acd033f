import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningProcess, startProcess } from '../../support/process.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts';
import { unmountBelow } from './leftovers.ts';
import { run } from './run.ts';
import { sealedEnvironment } from './sealed-environment.ts';

/** A containerd of its own, whose `_default/hosts.toml` sends pulls from every registry to one mirror. */
export class Containerd implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;
  readonly #process: RunningProcess;

  /** Use `startContainerd`. */
  constructor(directory: TemporaryDirectory, process: RunningProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  /** Pulls an image: all its platforms, or (default) this machine's. */
  async pull(reference: string, platforms: 'all' | 'own' = 'own'): Promise<void> {
    const hosts = ['--hosts-dir', join(this.#directory.path, 'hosts')];
    const what = platforms === 'all' ? ['--all-platforms'] : [];
    // The native snapshotter copies: it works on every file system.
    await this.ctr('images', 'pull', '--snapshotter', 'native', ...hosts, ...what, reference);
  }

  /** Removes an image, and its content with it. */
  async remove(reference: string): Promise<void> {
    await this.ctr('images', 'rm', '--sync', reference);
  }

  /** The digest that a name stands for, as containerd keeps it. */
  async digestOf(reference: string): Promise<string | undefined> {
    const list = await this.ctr('images', 'ls', `name==${reference}`);
    return /sha256:[0-9a-f]{64}/.exec(list)?.[0];
  }

  /** The digests of all content: manifests, configs and layers. */
  async contentDigests(): Promise<string[]> {
    const list = await this.ctr('content', 'ls', '--quiet');
    return list.split('\n').filter((line) => line !== '');
  }

  /** Runs containerd's command line and gives what it prints. */
  async ctr(...args: string[]): Promise<string> {
    return ctr(this.#directory.path, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process.stop();
    } finally {
      await cleanUp(this.#directory);
    }
  }
}

/** Starts containerd with the mirror at this URL. */
export async function startContainerd(mirror: string): Promise<Containerd> {
  const directory = await temporaryDirectory('e-');
  const { path } = directory;
  try {
    await writeFile(join(path, 'config.toml'), daemonConfig(path));
    await mkdir(join(path, 'hosts/_default'), { recursive: true });
    const capabilities = 'capabilities = ["pull", "resolve"]';
    await writeFile(join(path, 'hosts/_default/hosts.toml'), `[host."${mirror}"]\n  ${capabilities}\n`);
    const process = await startProcess('containerd', ['--config', join(path, 'config.toml')], {
      env: sealedEnvironment(path),
      ready: async () => {
        const version = ctr(path, ['version']);
        return version.then(() => true).catch(() => false);
      },
    });
    return new Containerd(directory, process);
  } catch (error) {
    await cleanUp(directory);
    throw error;
  }
}

function daemonConfig(path: string): string {
  return `version = 2
root = "${path}/root"
state = "${path}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${path}/sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${path}/opt"
`;
}

async function ctr(directory: string, args: readonly string[]): Promise<string> {
  return run('ctr', ['--address', join(directory, 'sock'), ...args], { env: sealedEnvironment(directory) });
}

async function cleanUp(directory: TemporaryDirectory): Promise<void> {
  await unmountBelow(directory.path);
  await directory[Symbol.asyncDispose]();
}
