import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CertificateFiles, makeCertificate } from '../../../support/certificate.ts';
import { type Entrepot, startEntrepot } from '../../../support/entrepot.ts';
import { accessRules, htpasswdText, NAMESPACES } from '../../../support/hosted.ts';
import { freePort } from '../../../support/process.ts';
import { temporaryDirectory, type TemporaryDirectory } from '../../../support/temporary-directory.ts';
import type { Client } from '../../../conformance/support/send.ts';

/** A request as the log tells of it. */
export interface LoggedRequest {
  readonly method: string;
  /** Which end-point: `blob`, `upload`, `manifest` ... */
  readonly route: string;
  readonly status: number;
  readonly repository: string | undefined;
}

/** How a registry is set up. */
export interface RegistryOptions {
  /** Whether its door speaks TLS, default false. */
  readonly tls?: boolean;
}

interface Parts {
  readonly directory: TemporaryDirectory;
  readonly port: number;
  readonly certificate: CertificateFiles | undefined;
}

/**
 * The real program as a registry with users and a policy (test/support/hosted.ts). It can end in any way and be started
 * again, with the same data and on the same port.
 */
export class Registry implements AsyncDisposable {
  readonly #parts: Parts;
  #program: Entrepot | undefined;
  #readLogs = 0;

  /** Use `startRegistry`. */
  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Of the registry's door, as it stands in front of names of images. */
  get host(): string {
    return `127.0.0.1:${this.#parts.port}`;
  }

  get adminUrl(): string {
    return this.#running.adminUrl;
  }

  /** The data directory. */
  get path(): string {
    return join(this.#parts.directory.path, 'data');
  }

  /** Its certificate, which is its own authority; undefined without TLS. */
  get certFile(): string | undefined {
    return this.#parts.certificate?.certFile;
  }

  /** For requests by hand, through the registry's door. */
  client(repository: string, user: string | undefined = 'ci'): Client {
    return { url: `http://${this.host}`, user, repository };
  }

  /** Starts it again. */
  async start(): Promise<void> {
    const { directory, certificate } = this.#parts;
    const tls = certificate && { cert: certificate.certFile, key: certificate.keyFile };
    this.#readLogs = 0;
    this.#program = await startEntrepot({
      config: {
        upstreams: {},
        registry: { listen: this.host, ...(tls && { tls }) },
        hosted: NAMESPACES,
        access: { htpasswd: join(directory.path, 'htpasswd'), policy: accessRules(false) },
        storage: { path: this.path },
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
    await this.#running.kill();
    await this.stop();
  }

  /** What clients asked for below `/v2/` since the last call, apart from the ping. */
  async takeRequests(): Promise<LoggedRequest[]> {
    const { url } = this.#running;
    const marker = await fetch(`${url}/v2/local/marker/tags/list`);
    const requestId = marker.headers.get('x-request-id');
    const until = () => this.#running.logs.findIndex((line) => line['requestId'] === requestId);
    while (until() < 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const lines = this.#running.logs.slice(this.#readLogs, until());
    this.#readLogs = until() + 1;
    return lines.flatMap((line) => {
      const { method, route, status, repository } = line as unknown as LoggedRequest;
      const isRequest = String(line['msg']).startsWith('request') && repository !== undefined;
      return isRequest ? [{ method, route, status, repository }] : [];
    });
  }

  /** Bytes of blobs and manifests that clients have sent since it was started. */
  async pushedBytes(): Promise<number> {
    const metrics = await (await fetch(`${this.adminUrl}/metrics`)).text();
    return Number(/^entrepot_pushed_bytes_total\{.*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#parts.directory[Symbol.asyncDispose]();
    }
  }

  get #running(): Entrepot {
    if (!this.#program) throw new Error('the registry does not run');
    return this.#program;
  }
}

/** Starts a registry which is empty. */
export async function startRegistry({ tls = false }: RegistryOptions = {}): Promise<Registry> {
  const directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'htpasswd'), htpasswdText());
  const certificates = join(directory.path, 'tls');
  await mkdir(certificates);
  const certificate = tls ? await makeCertificate(certificates) : undefined;
  const registry = new Registry({ directory, port: await freePort(), certificate });
  try {
    await registry.start();
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
  return registry;
}
