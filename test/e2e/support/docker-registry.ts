import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../../conformance/support/send.ts';
import { freePort, type RunningProcess, startProcess } from '../../support/process.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporary-directory.ts';
import { type Access, TokenServer } from './token-server.ts';

/** How the registry is set up. */
export interface DockerRegistryOptions {
  /** Whether tokens to pull are given without a login, default false. */
  anonymousPull?: boolean;
}

/** Who may pull and push. */
const CREDENTIALS = { username: 'robot', password: 'correct horse' };

interface Parts {
  directory: TemporaryDirectory;
  tokens: TokenServer;
  port: number;
}

/** Debian's docker-registry with its storage in a temporary folder; it demands tokens of a server of its own. */
export class DockerRegistry implements AsyncDisposable {
  readonly #parts: Parts;
  /** Signs the state of uploads, which outlives a restart. */
  readonly #secret = randomUUID();
  #process: RunningProcess | undefined;
  #accessLog = '';

  /** Use `startDockerRegistry`. */
  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${this.#parts.port}`;
  }

  /** How entrepot's configuration names it as an upstream: with a login, or without. */
  upstream(login: 'login' | 'anonymous' = 'login'): object {
    return login === 'login' ? { url: this.url, credentials: CREDENTIALS } : { url: this.url };
  }

  /** For requests by hand, within five minutes. */
  client(repository: string): Client {
    const access = { type: 'repository', name: repository, actions: ['pull', 'push'] };
    return { url: this.url, user: undefined, token: this.sign([access]), repository };
  }

  /** A token for this registry. */
  sign(access: readonly Access[]): string {
    return this.#parts.tokens.sign(access);
  }

  /** Starts it (again), on the port it had. */
  async start(): Promise<void> {
    const { directory } = this.#parts;
    const config = join(directory.path, 'config.yml');
    // The process gets JSON, which is YAML.
    await writeFile(config, JSON.stringify(this.#config()));
    let heard = false;
    this.#process = await startProcess('docker-registry', ['serve', config], {
      ready: async (started) => {
        if (!heard) started.onStdout((text) => this.#hear(text));
        heard = true;
        const answer = await fetch(`${this.url}/v2/`).catch(() => undefined);
        return answer?.status === 401;
      },
    });
  }

  /** Ends the registry; the token server goes on. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  /** The path of each GET of a blob since the last call, whatever the answer was. */
  async takeBlobGets(): Promise<string[]> {
    await this.#catchUp();
    const found = [...this.#accessLog.matchAll(/"GET (\/v2\/\S+\/blobs\/\S+) HTTP/g)];
    this.#accessLog = '';
    return found.map(([, path = '']) => path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { directory, tokens } = this.#parts;
    try {
      await this.stop();
    } finally {
      await tokens[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    }
  }

  /** The log comes through a pipe: a request of our own shows that those before it have been heard of. */
  async #catchUp(): Promise<void> {
    if (this.#process === undefined) return;
    const marker = randomUUID();
    await fetch(`${this.url}/v2/?${marker}`);
    await this.#process.waitUntil(() => this.#accessLog.includes(marker));
  }

  #hear(text: string): void {
    this.#accessLog += text;
  }

  #config(): object {
    const { directory, port, tokens } = this.#parts;
    return {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: false } },
      storage: {
        filesystem: { rootdirectory: join(directory.path, 'storage') },
        maintenance: { uploadpurging: { enabled: false } },
      },
      http: { addr: `127.0.0.1:${port}`, secret: this.#secret },
      auth: { token: tokens.registryConfig },
    };
  }
}

/** Starts a registry which is empty. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const directory = await temporaryDirectory();
  const { anonymousPull = false } = options;
  await mkdir(join(directory.path, 'storage'));
  const tokens = await TokenServer.start({ directory: directory.path, anonymousPull, ...CREDENTIALS });
  const registry = new DockerRegistry({ directory, tokens, port: await freePort() });
  try {
    await registry.start();
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
  return registry;
}
