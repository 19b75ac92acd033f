import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts';
import { unmountBelow } from './leftovers.ts';
import { run } from './run.ts';
import { sealedEnvironment } from './sealed-environment.ts';

/** podman and skopeo with a registries.conf and a storage of their own. */
export class ContainersTools implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;

  /** Use `containersTools`. */
  constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
  }

  /** A path in the temporary folder, for what skopeo writes. */
  path(name: string): string {
    return join(this.#directory.path, name);
  }

  /** Runs podman and gives what it prints. */
  async podman(...args: string[]): Promise<string> {
    const storage = ['--root', this.path('root'), '--runroot', this.path('runroot'), '--storage-driver', 'vfs'];
    const state = ['--tmpdir', this.path('tmp'), '--network-config-dir', this.path('networks')];
    const rest = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
    return run('podman', [...storage, ...state, ...rest, ...args], { env: this.#environment() });
  }

  /** Runs skopeo and gives what it prints. */
  async skopeo(...args: string[]): Promise<string> {
    const configuration = ['--policy', this.path('policy.json'), '--registries-conf', this.path('registries.conf')];
    return run('skopeo', [...configuration, ...args], { env: this.#environment() });
  }

  /** Logs in, for both tools, and for these only. @param trust how skopeo is to trust the registry; default: blindly */
  async login(registry: string, username: string, password: string, trust = '--tls-verify=false'): Promise<void> {
    const args = ['login', trust, '--username', username, '--password-stdin', registry];
    await run('skopeo', args, { env: this.#environment(), input: password });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await unmountBelow(this.#directory.path);
    await this.#directory[Symbol.asyncDispose]();
  }

  #environment(): Record<string, string> {
    return {
      ...sealedEnvironment(this.#directory.path),
      CONTAINERS_REGISTRIES_CONF: this.path('registries.conf'),
      CONTAINERS_STORAGE_CONF: this.path('storage.conf'),
    };
  }
}

/** Sends pulls (and pushes, where it is the same place) of each registry in `locations` to the place (`host:port/path`) that stands there. */
export async function containersTools(locations: Record<string, string>): Promise<ContainersTools> {
  const directory = await temporaryDirectory();
  const tools = new ContainersTools(directory);
  const registries = Object.entries(locations).map(
    ([prefix, location]) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\ninsecure = true\n`,
  );
  await writeFile(tools.path('registries.conf'), `unqualified-search-registries = []\n${registries.join('')}`);
  await writeFile(tools.path('policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const storage = { driver: 'vfs', graphroot: tools.path('root'), runroot: tools.path('runroot') };
  const lines = Object.entries(storage).map(([key, value]) => `${key} = "${value}"\n`);
  await writeFile(tools.path('storage.conf'), `[storage]\n${lines.join('')}`);
  return tools;
}
