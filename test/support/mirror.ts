import { loadConfig } from '../../src/config/load.ts';
import { startServer } from '../../src/server.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import type { Origin } from './origin.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** A mirror in this process, on free ports and in a folder of its own. */
export interface TestMirror extends AsyncDisposable {
  readonly url: string;
  readonly adminUrl: string;
  /** Its data directory. */
  readonly path: string;
  /** Ends it and starts it again on the same data. */
  restart(): Promise<void>;
}

/** Settings of the one upstream, and other sections of the configuration. */
export interface MirrorOptions {
  /** Keys of `upstreams."docker.io"`. */
  readonly upstream?: Readonly<Record<string, unknown>>;
  /** Further sections. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Starts a mirror whose `docker.io` is the given origin. */
export async function startMirror(origin: Origin, options: MirrorOptions = {}): Promise<TestMirror> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const file = join(directory.path, 'config.yaml');
  await writeFile(
    file,
    stringify({
      server: { listen: '127.0.0.1:0', drainTimeout: '2s' },
      admin: { listen: '127.0.0.1:0' },
      storage: { path: './data', minFree: 0 },
      upstreams: { 'docker.io': { url: origin.url, default: true, ...options.upstream } },
      ...options.config,
    }),
  );
  const config = await loadConfig({ file, env: process.env, cwd: directory.path });
  let server = await startServer(config, { logger: silentLogger() });
  const cleanup = opened.move();
  return {
    get url() {
      return `http://${server.addresses.mirror}`;
    },
    get adminUrl() {
      return `http://${server.addresses.admin}`;
    },
    path: join(directory.path, 'data'),
    restart: async () => {
      await server.close();
      server = await startServer(config, { logger: silentLogger() });
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await cleanup.disposeAsync();
    },
  };
}
