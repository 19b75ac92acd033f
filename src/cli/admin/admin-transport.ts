import type { WorkOptions } from '../../registry/operations/operations.ts';
import type { Secret } from '../../util/secret.ts';
import { AdminError } from './admin-error.ts';
import { jsonLines } from './json-lines.ts';

/** Where a mirror's admin API is, and what it demands. */
export interface AdminTarget {
  readonly url: URL;
  readonly token?: Secret;
}

interface SentRequest {
  readonly method?: string;
  readonly body?: object | undefined;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

const NDJSON = 'application/x-ndjson';
const CALL_TIMEOUT_MS = 30_000;
/** What says that nobody listens there, in the words of Node, the resolver and fetch. */
const NOBODY_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** HTTP to a mirror's admin API. All methods throw AdminError, and the signal's reason when it has fired. */
export class AdminTransport {
  readonly #target: AdminTarget;

  constructor(target: AdminTarget) {
    this.#target = target;
  }

  /** A short request. */
  async call<Result>(method: string, path: string, body?: object): Promise<Result> {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    const response = await this.#send(path, { method, body, signal });
    return response.status === 204 ? (undefined as Result) : await this.#parse<Result>(response);
  }

  /** Work of any length. Without options nobody wants to know how far it is, or to end it. */
  async follow<Result>(path: string, body: object, options?: WorkOptions<never>): Promise<Result> {
    const { signal } = options ?? {};
    const response = await this.#send(path, { method: 'POST', body, accept: NDJSON, signal });
    for await (const line of jsonLines(this.#bodyOf(response, signal))) {
      const { progress, result, error } = line as Line;
      if (result !== undefined) return result as Result;
      if (error !== undefined) throw new AdminError(error.code, error.message);
      if (progress !== undefined) options?.onProgress(progress as never);
    }
    throw this.#lost('it ended before the work did');
  }

  /** A body of any length. */
  async download(path: string, signal: AbortSignal): Promise<{ headers: Headers; body: AsyncIterable<Uint8Array> }> {
    const response = await this.#send(path, { signal });
    return { headers: response.headers, body: this.#bodyOf(response, signal) };
  }

  async #send(path: string, { method = 'GET', body, accept, signal }: SentRequest): Promise<Response> {
    const { url, token } = this.#target;
    const headers = new Headers();
    if (accept !== undefined) headers.set('Accept', accept);
    if (body !== undefined) headers.set('Content-Type', 'application/json');
    if (token !== undefined) headers.set('Authorization', `Bearer ${token.reveal()}`);
    const response = await this.#translate(
      fetch(`${url.href.replace(/\/$/, '')}/api/v1${path}`, {
        method,
        headers,
        // The token is for this address only.
        redirect: 'manual',
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal !== undefined && { signal }),
      }),
      signal,
    );
    if (!response.ok) throw await this.#refusal(response);
    return response;
  }

  async *#bodyOf(response: Response, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const chunks = (response.body ?? new Blob().stream()).values();
    while (true) {
      const { done, value } = await this.#translate(chunks.next(), signal);
      if (done) return;
      yield value;
    }
  }

  async #parse<Result>(response: Response): Promise<Result> {
    const text = await this.#translate(response.text(), undefined);
    try {
      return JSON.parse(text) as Result;
    } catch {
      throw this.#stranger(response.status);
    }
  }

  async #refusal(response: Response): Promise<AdminError> {
    const { status } = response;
    if (status === 401) return this.#unauthorized();
    const text = await response.text().catch(() => '');
    const error = errorIn(text);
    // A mirror's other doors say this of every path that they do not have.
    return error && error.code !== 'UNSUPPORTED' ? new AdminError(error.code, error.message) : this.#stranger(status);
  }

  async #translate<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
    try {
      return await promise;
    } catch (error) {
      signal?.throwIfAborted();
      ...
    }
  }
}
