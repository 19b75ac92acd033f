import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DigestAlgorithm } from './bytes.ts';
import { Listener } from './listener.ts';
import { basicGate, bearerGate, type Gate, openGate } from './origin-auth.ts';
import { type BlobOptions, OriginContent } from './origin-content.ts';
import { type Exchange, openExchange, type RecordedRequest } from './origin-exchange.ts';
import { type Fault, type FaultOptions, FaultScript, matches, type RequestMatch } from './origin-faults.ts';
import type { OriginOptions } from './origin-options.ts';
import { parsePath, registryAnswer } from './origin-registry.ts';
import { sendAnswer, sendFault } from './origin-send.ts';
import { OriginStorage } from './origin-storage.ts';
import { TokenServer } from './origin-tokens.ts';

type Role = 'registry' | 'token' | 'storage';

/**
 * A registry to pull from: a real HTTP server on 127.0.0.1, empty at first. It fails as it is told to, and counts what
 * it is asked and what it sends. When it is disposed of it throws if it was asked for something unexpected.
 */
export class Origin implements AsyncDisposable {
  /** What the registry was asked, in order. */
  readonly requests: RecordedRequest[] = [];
  /** What the token server was asked. */
  readonly tokenRequests: RecordedRequest[] = [];
  /** What the storage that blobs are redirected to was asked. */
  readonly cdnRequests: RecordedRequest[] = [];
  /** Requests for what no registry has. */
  readonly unexpected: RecordedRequest[] = [];
  readonly #options: OriginOptions;
  readonly #content = new OriginContent();
  readonly #faults = new FaultScript();
  readonly #listeners = new Map<Role, Listener>();
  readonly #storage: OriginStorage;
  readonly #tokens: TokenServer | undefined;
  readonly #gate: Gate;
  readonly #errors: unknown[] = [];

  /** Use `startOrigin`. */
  constructor(options: OriginOptions) {
    const { auth } = options;
    this.#options = options;
    this.#storage = new OriginStorage(this.#content, options);
    this.#tokens = auth?.type === 'bearer' ? new TokenServer(auth) : undefined;
    this.#gate = openGate;
    if (auth?.type === 'basic') this.#gate = basicGate(auth);
    if (auth?.type === 'bearer' && this.#tokens !== undefined) {
      this.#gate = bearerGate(auth, this.#tokens, () => this.tokenUrl);
    }
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return this.#listenerOf('registry').url;
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return this.#listenerOf('registry').host;
  }

  /** Where the built-in token server is. */
  get tokenUrl(): string {
    return `${this.#listenerOf('token').url}/token`;
  }

  /** Adds a blob to every repository, or to those that are named, and gives its digest. */
  addBlob(bytes: Uint8Array, options: DigestAlgorithm | BlobOptions = {}): string {
    return this.#content.addBlob(bytes, typeof options === 'string' ? { algorithm: options } : options);
  }

  /** Adds a manifest, its bytes exactly as given (an object is written as JSON), and gives its digest. */
  addManifest(repository: string, tag: string | undefined, content: Uint8Array | object, mediaType: string): string {
    return this.#content.addManifest(repository, tag, content, mediaType);
  }

  moveTag(repository: string, tag: string, digest: string): void {
    this.#content.moveTag(repository, tag, digest);
  }

  deleteTag(repository: string, tag: string): void {
    this.#content.deleteTag(repository, tag);
  }

  deleteBlob(digest: string): void {
    this.#content.deleteBlob(digest);
  }

  deleteManifest(repository: string, digest: string): void {
    this.#content.deleteManifest(repository, digest);
  }

  /** How many requests of this kind the registry (not the token server nor the storage) got. */
  requestCount(match: RequestMatch = {}): number {
    return this.requests.filter((request) => matches(request, match)).length;
  }

  /** Waits until the registry got so many requests of this kind; throws after five seconds. */
  async waitForRequests(match: RequestMatch, count = 1): Promise<void> {
    const deadline = Date.now() + 5000;
    while (this.requestCount(match) < count) {
      if (Date.now() > deadline) throw new Error(`the origin got ${this.requestCount(match)} of ${count} requests`);
      await sleep(2);
    }
  }

  /**
   * Bytes of blobs that were handed to the socket, also after a redirect, of one blob or of all. What a client that
   * left did not read counts as far as the kernel took it: up to a few MiB.
   */
  blobBytesSent(digest?: string): number {
    return [...this.requests, ...this.cdnRequests]
      .filter(({ blob }) => blob !== undefined && (digest === undefined || blob === digest))
      .reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
  }

  /** Forgets the requests so far, those under way included. */
  resetCounts(): void {
    for (const list of [this.requests, this.tokenRequests, this.cdnRequests]) list.length = 0;
  }

  /** Makes something go wrong, with every such request or as often as the options say. */
  fault(match: RequestMatch, fault: Fault, options: FaultOptions = {}): void {
    this.#faults.add(match, fault, options);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** Makes all tokens invalid that were given out. */
  expireTokens(): void {
    this.#tokens?.expireTokens();
  }

  /** Goes down: open connections break, new ones are refused. */
  async stop(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.stop()));
  }

  /** Comes back on the same ports. */
  async restart(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.restart()));
  }

  /** Starts the servers; called once, by `startOrigin`. */
  async start(): Promise<void> {
    const { auth, redirectBlobs } = this.#options;
    const roles: Role[] = ['registry'];
    if (auth?.type === 'bearer' && auth.server === 'other') roles.push('token');
    if (redirectBlobs?.to === 'other') roles.push('storage');
    for (const role of roles) {
      const listener = await Listener.start((request, response) => this.#accept(role, request, response));
      this.#listeners.set(role, listener);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, 'the origin failed by itself');
    if (this.unexpected.length > 0 && this.#options.allowUnexpected !== true) {
      const list = this.unexpected.map(({ method, url }) => `${method} ${url}`).join(', ');
      throw new Error(`unexpected requests to the origin: ${list}`);
    }
  }

  #listenerOf(role: Role): Listener {
    const listener = this.#listeners.get(role) ?? this.#listeners.get('registry');
    if (listener === undefined) throw new Error('the origin is not started');
    return listener;
  }

  #accept(door: Role, request: IncomingMessage, response: ServerResponse): void {
    const exchange = openExchange(request, response);
    this.#serve(this.#roleOf(door, exchange.record.path), exchange).catch((error: unknown) => {
      if (!response.destroyed) this.#errors.push(error);
      response.destroy();
    });
  }

  #roleOf(door: Role, path: string): Role {
    if (door !== 'registry') return door;
    if (this.#tokens !== undefined && path === '/token') return 'token';
    return this.#options.redirectBlobs !== undefined && this.#storage.owns(path) ? 'storage' : 'registry';
  }

  async #serve(role: Role, exchange: Exchange): Promise<void> {
    this.#logOf(role).push(exchange.record);
    if (await this.#meddle(exchange, true)) return;
    const path = role === 'registry' ? parsePath(exchange.record) : undefined;
    const refusal = role === 'registry' ? this.#gate(exchange, path?.repository) : undefined;
    if (refusal !== undefined) return sendAnswer(exchange, refusal, this.#faults);
    if (await this.#meddle(exchange, false)) return;
    if (role === 'token' && this.#tokens !== undefined) {
      return sendAnswer(exchange, await this.#tokens.answer(exchange), this.#faults);
    }
    if (role === 'storage' && this.#options.redirectBlobs !== undefined) {
      return sendAnswer(exchange, this.#storage.answer(exchange, this.#options.redirectBlobs), this.#faults);
    }
    if (path === undefined) {
      this.unexpected.push(exchange.record);
      return sendAnswer(exchange, { status: 500, body: 'unexpected request\n' }, this.#faults);
    }
    const urls = { registry: this.url, storage: this.#listenerOf('storage').url };
    const sources = { content: this.#content, storage: this.#storage, options: this.#options, urls };
    return sendAnswer(exchange, registryAnswer(exchange, path, sources), this.#faults);
  }

  #logOf(role: Role): RecordedRequest[] {
    return { registry: this.requests, token: this.tokenRequests, storage: this.cdnRequests }[role];
  }

  /** Lets faults happen which take the place of the answer; says whether one did. */
  async #meddle(exchange: Exchange, beforeAuth: boolean): Promise<boolean> {
    const delayMs = this.#faults.takeDelayMs(exchange.record, beforeAuth);
    if (delayMs > 0) await sleep(delayMs);
    const fault = this.#faults.takeAnswerFault(exchange.record, beforeAuth);
    if (fault !== undefined) await sendFault(exchange, fault, this.#faults);
    return fault !== undefined;
  }
}

/** Starts an origin: `await using origin = await startOrigin()`. */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const origin = new Origin(options);
  await origin.start();
  return origin;
}
