import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { startServer } from '../../src/server.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import type { TestMirror } from './mirror.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A registry in this process, on free ports and in a folder of its own. */
export interface TestHosted extends TestMirror {
  /** The registry's door. */
  readonly registryUrl: string;
  /** The folder that has the configuration, `htpasswd` and, some levels below, the data directory. */
  readonly root: string;
}

/** What there is beside the hosted namespaces. */
export interface HostedOptions {
  /** An upstream that is called docker.io and is the default; without it nothing is proxied. */
  readonly origin?: { readonly url: string };
  /** Keys of `upstreams."docker.io"`. */
  readonly upstream?: Readonly<Record<string, unknown>>;
  /** Other values for sections of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The namespaces that tests push to. */
export const NAMESPACES = ['local', 'sparse'] as const;
/** What holds in them. */
export const HOSTED_RULES = [
  { repositories: ['sparse/**'], sparse: true },
  { repositories: ['local/frozen/**'], immutable: ['v*'] },
  { repositories: ['local/kept/**'], deletes: false },
] as const;

/** Who may do what. @param isProxying whether there is an upstream; without one its name is no name */
export function accessRules(isProxying: boolean): readonly object[] {
  const proxied = [
    // Whatever it says of push, what comes from an upstream may only be written by those who replicate.
    { who: 'ci', may: ['push', 'delete'], in: ['docker.io/**'] },
    { who: 'peer', may: ['replicate'], in: ['docker.io/**'] },
  ];
  return [
    { who: 'dave', mayNot: ['pull', 'push', 'delete'], in: ['local/secret/**'] },
    { who: ['ci', 'dave'], may: ['pull', 'push', 'delete'], in: ['sparse/**', 'local/**'] },
    { who: 'peer', may: ['replicate'], in: ['local/replicas/**', 'local/frozen/**', 'local/kept/**'] },
    ...(isProxying ? proxied : []),
    { who: 'anonymous', mayNot: ['pull'], in: ['local/secret/**'] },
    { who: 'anonymous', may: ['pull'], in: ['**'] },
  ];
}

/** The password of every user. */
export const PASSWORD = 'secret';
/** Of a cost that no one should use. */
const HASH = '$2b$04$AyW5PU3dAugVYn86vLLcteBXLXkA2jq2LTv5xjEW63G8vB4oriao.';
/** `ci` pushes, `dave` does but where it is secret, `peer` replicates to some of it, and `rita` has a password and nothing else. */
export const USERS = ['ci', 'dave', 'peer', 'rita'] as const;

/** The lines of an htpasswd file. */
export function htpasswdText(): string {
  return USERS.map((user) => `${user}:${HASH}\n`).join('');
}

/** Starts a server with hosted namespaces, both doors, users and a policy. */
export async function startHosted({ origin, upstream, config = {} }: HostedOptions = {}): Promise<TestHosted> {
  await using opened = new AsyncDisposableStack();
  const { path: root } = opened.use(await temporaryDirectory());
  const file = join(root, 'config.yaml');
  await writeFile(join(root, 'htpasswd'), htpasswdText());
  const listen = '127.0.0.1:0';
  await writeFile(
    file,
    stringify({
      server: { listen, drainTimeout: '2s' },
      registry: { listen },
      admin: { listen },
      upstreams: origin ? { 'docker.io': { url: origin.url, default: true, ...upstream } } : {},
      hosted: NAMESPACES,
      hostedRules: HOSTED_RULES,
      access: { htpasswd: './htpasswd', policy: accessRules(origin !== undefined) },
      ...config,
      storage: { path: './some/folders/deep/data', minFree: 0, ...(config['storage'] as object | undefined) },
    }),
  );
  const loaded = await loadConfig({ file, env: process.env, cwd: root });
  let server = await startServer(loaded, { logger: silentLogger() });
  const cleanup = opened.move();
  return {
    get url() {
      return `http://${server.addresses.mirror}`;
    },
    get registryUrl() {
      return `${loaded.registry?.tls ? 'https' : 'http'}://${server.addresses.registry}`;
    },
    get adminUrl() {
      return `http://${server.addresses.admin}`;
    },
    root,
    path: loaded.storage.path,
    restart: async () => {
      await server.close();
      server = await startServer(loaded, { logger: silentLogger() });
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await cleanup.disposeAsync();
    },
  };
}
