import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../../../conformance/support/send.ts';
import { type Entrepot, startEntrepot } from '../../../support/entrepot.ts';
import { htpasswdText, PASSWORD } from '../../../support/hosted.ts';
import { freePort } from '../../../support/process.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../../support/temporary-directory.ts';
import type { LinkStatus, ReplicationStatus } from '../../../../src/replication/replication-operations.ts';

/** How a site is set up. */
export interface SiteOptions {
  readonly name: string;
  /** Where its registry's door is: other sites have to know it before it is there. Default: a free port. */
  readonly port?: number;
  /** The network namespace that it runs in, and its address there, which this process reaches. Default: here. */
  readonly elsewhere?: { readonly namespace: string; readonly address: string };
  /** Sections of the configuration beside those that every site has. */
  readonly config?: Readonly<Record<string, unknown>>;
}

interface Parts {
  readonly directory: TemporaryDirectory;
  readonly port: number;
  readonly options: SiteOptions;
}

/**
 * The real program as a site: the namespace `local` is pushed there, the user `peer` replicates to it. It can end in any way
 * and be started again, with the same data and at the same address.
 */
export class Site implements AsyncDisposable {
  readonly #parts: Parts;
  #config: Readonly<Record<string, unknown>>;
  #program: Entrepot | undefined;

  /** Use `startSite`. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.#config = parts.options.config ?? {};
  }

  get name(): string {
    return this.#parts.options.name;
  }

  /** Of the registry's door, as it stands in front of names of images. */
  get host(): string {
    return `${this.#parts.options.elsewhere?.address ?? '127.0.0.1'}:${this.#parts.port}`;
  }

  /** The mirror's door. */
  get mirrorUrl(): string {
    return this.#running.url;
  }

  get adminUrl(): string {
    return this.#running.adminUrl;
  }

  /** The data directory. */
  get path(): string {
    return join(this.#parts.directory.path, 'data');
  }

  /** All that it wrote since it was last started. */
  get output(): string {
    return this.#running.output;
  }

  /** For requests by hand, through the registry's door. */
  client(repository: string, user: string | undefined = 'ci'): Client {
    return { url: `http://${this.host}`, user, repository };
  }

  /** Starts it again. @param config other sections than before */
  async start(config: Readonly<Record<string, unknown>> = this.#config): Promise<void> {
    const { directory, options, port } = this.#parts;
    const { name, elsewhere } = options;
    this.#config = config;
    this.#program = await startEntrepot({
      ...(elsewhere && { namespace: elsewhere.namespace }),
      config: {
        upstreams: {},
        hosted: ['local'],
        ...config,
        site: name,
        registry: { listen: elsewhere ? `:${port}` : this.host },
        access: {
          htpasswd: join(directory.path, 'htpasswd'),
          policy: [
            { who: 'peer', may: ['pull', 'replicate'], in: ['**'] },
            { who: 'ci', may: ['pull', 'push', 'delete'], in: ['local/**'] },
            { who: 'anonymous', may: ['pull'], in: ['**'] },
          ],
        },
        storage: { path: this.path, ...(config['storage'] as object | undefined) },
      },
    });
  }

  /** Ends it as an operator does. */
  async stop(): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    this.#program = undefined;
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    await this.#program?.kill();
    await this.stop();
  }

  async replication(): Promise<ReplicationStatus> {
    return (await (await fetch(`${this.adminUrl}/api/v1/replication`)).json()) as ReplicationStatus;
  }

  /** What it is to do for a peer of a rule. */
  async link(peer: string): Promise<LinkStatus> {
    const found = (await this.replication()).links.find((link) => link.peer === peer);
    if (!found) throw new Error(`${this.name} sends nothing to ${peer}`);
    return found;
  }

  /** The value of a metric; the sum where there are several. @param label those that have it: `peer="us"` */
  async metric(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*${label}.*\\})? (\\S+)$`, 'gm'))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#parts.directory[Symbol.asyncDispose]();
    }
  }

  get #running(): Entrepot {
    if (!this.#program) throw new Error(`${this.name} does not run`);
    return this.#program;
  }
}

/** Starts a site that is empty. */
export async function startSite(options: SiteOptions): Promise<Site> {
  const directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'htpasswd'), htpasswdText());
  const site = new Site({ directory, port: options.port ?? (await freePort()), options });
  try {
    await site.start();
  } catch (error) {
    await site[Symbol.asyncDispose]();
    throw error;
  }
  return site;
}

/** An entry of `peers`, for the site whose registry's door is there. */
export function peerAt(host: string, more: object = {}): object {
  return { url: `http://${host}`, credentials: { username: 'peer', password: PASSWORD }, ...more };
}
