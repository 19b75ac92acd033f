import { createSign, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Listener } from '../../support/listener.ts';
import { run } from './run.ts';

/** What a token lets its bearer do (distribution docs, "token scope"). */
export interface Access {
  type: string;
  name: string;
  actions: string[];
}

/** Who gets tokens. */
export interface TokenServerOptions {
  /** A folder for key and certificate. */
  directory: string;
  username: string;
  password: string;
  /** Whether tokens to pull are given without a login. */
  anonymousPull: boolean;
}

const SERVICE = 'registry.test';
const ISSUER = 'tokens.test';

/** Signs tokens (RS256, with the certificate in `x5c`) which docker-registry's `auth.token` takes. */
export class TokenServer implements AsyncDisposable {
  readonly #options: TokenServerOptions;
  readonly #key: string;
  readonly #certificate: string;
  #listener: Listener | undefined;

  private constructor(options: TokenServerOptions, key: string, certificate: string) {
    this.#options = options;
    this.#key = key;
    this.#certificate = certificate;
  }

  /** Makes a key and a certificate, and listens on a free port. */
  static async start(options: TokenServerOptions): Promise<TokenServer> {
    const key = join(options.directory, 'token.key');
    const certificate = join(options.directory, 'token.crt');
    const subject = ['-subj', '/CN=tokens.test', '-days', '2', '-keyout', key, '-out', certificate];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject]);
    const server = new TokenServer(options, await readFile(key, 'utf8'), await readFile(certificate, 'utf8'));
    server.#listener = await Listener.start((request, response) => server.#answer(request, response));
    return server;
  }

  /** The section `auth.token` of docker-registry's configuration. */
  get registryConfig(): Record<string, string> {
    return {
      realm: `${this.#listener?.url}/token`,
      service: SERVICE,
      issuer: ISSUER,
      rootcertbundle: join(this.#options.directory, 'token.crt'),
    };
  }

  /** A token with this access, good for five minutes. */
  sign(access: readonly Access[], subject = ''): string {
    const now = Math.floor(Date.now() / 1000);
    const x5c = [this.#certificate.replaceAll(/-----[^-]+-----|\s/g, '')];
    const header = { typ: 'JWT', alg: 'RS256', x5c };
    const times = { iat: now, nbf: now - 10, exp: now + 300 };
    const claims = { iss: ISSUER, aud: SERVICE, sub: subject, jti: randomUUID(), ...times, access };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(this.#key, 'base64url')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.stop();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers;
    const { username, password, anonymousPull } = this.#options;
    const login = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (request.method !== 'GET' || (authorization !== undefined && authorization !== login)) {
      response.writeHead(request.method === 'GET' ? 401 : 404).end();
      return;
    }
    const anonymous = anonymousPull ? ['pull'] : [];
    const allowed = authorization === undefined ? anonymous : ['pull', 'push', 'delete'];
    const { searchParams } = new URL(request.url ?? '/', 'http://tokens');
    const access = searchParams.getAll('scope').map((scope) => restrict(parseScope(scope), allowed));
    const token = this.sign(access, authorization === undefined ? '' : username);
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ token, expires_in: 300 }));
  }
}

function parseScope(scope: string): Access {
  const [, type = '', name = '', actions = ''] = /^([^:]+):(.+):([^:]*)$/.exec(scope) ?? [];
  return { type, name, actions: actions.split(',') };
}

function restrict(access: Access, allowed: readonly string[]): Access {
  return { ...access, actions: access.actions.filter((action) => allowed.includes(action)) };
}
