import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import type { WorkOptions } from '../../registry/operations/operations.ts';
import type { Secret } from '../../util/secret.ts';
import { printable } from '../output/format.ts';
import { AdminError } from './admin-error.ts';
import { sendRequest, SILENT, type TlsTrust } from './send-request.ts';
import { textLines } from './text-lines.ts';
import { tlsFaultOf } from './tls-fault.ts';

/** Where a mirror's admin API is, and what it demands. */
export interface AdminTarget {
  readonly url: URL;
  readonly token?: Secret;
  readonly tls?: TlsTrust;
}

interface SentRequest {
  readonly method?: string;
  readonly body?: object | undefined;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
  readonly silenceMs?: number;
}

/** A line of an answer that comes while the work goes on; an empty one says that it still does. */
interface WorkLine {
  readonly progress?: object;
  readonly result?: object;
  readonly error?: { readonly code: string; readonly message: string };
}

const NDJSON = 'application/x-ndjson';
const CALL_TIMEOUT_MS = 30_000;
/** A mirror at work says so every few seconds. */
const WORK_SILENCE_MS = 120_000;
/** What says that nobody listens there, in the words of Node and the resolver. */
const NOBODY_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
]);

/** HTTP to a mirror's admin API. All methods throw AdminError, or the signal's reason once it has fired. */
export class AdminTransport {
  readonly #target: AdminTarget;
  readonly #workSilenceMs: number;

  constructor(target: AdminTarget, { workSilenceMs = WORK_SILENCE_MS }: { readonly workSilenceMs?: number } = {}) {
    this.#target = target;
    this.#workSilenceMs = workSilenceMs;
  }

  /** A short request. */
  async call<Result>(method: string, path: string, body?: object): Promise<Result> {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    const response = await this.#send(path, { method, body, signal });
    const answer = await this.#textOf(response, signal);
    return (response.statusCode === 204 ? undefined : this.#parse(answer)) as Result;
  }

  /** Work of any length. Without options nobody wants to know how far it is, or to end it. */
  async follow<Result>(path: string, body: object, options?: WorkOptions<never>): Promise<Result> {
    const { signal } = options ?? {};
    // Lines that come all the time keep what is between here and there from giving up.
    const response = await this.#send(path, {
      method: 'POST',
      body,
      accept: NDJSON,
      signal,
      silenceMs: this.#workSilenceMs,
    });
    for await (const line of textLines(this.#bodyOf(response, signal))) {
      const { progress, result, error } = this.#parse(line) as WorkLine;
      if (result !== undefined) return result as Result;
      if (error !== undefined) throw new AdminError(error.code, printable(error.message));
      if (progress !== undefined) options?.onProgress(progress as never);
    }
    throw new AdminError('LOST', `the connection to ${this.#name} ended before the work did`);
  }

  /** A body of any length. */
  async download(
    path: string,
    signal: AbortSignal,
  ): Promise<{ headers: IncomingHttpHeaders; body: AsyncIterable<Uint8Array> }> {
    const response = await this.#send(path, { signal });
    return { headers: response.headers, body: this.#bodyOf(response, signal) };
  }

  async #send(
    path: string,
    { method = 'GET', body, accept, signal, silenceMs }: SentRequest,
  ): Promise<IncomingMessage> {
    const { token, tls } = this.#target;
    const headers = {
      ...(accept !== undefined && { Accept: accept }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      // A redirect is not followed: the token is for this address only.
      ...(token !== undefined && { Authorization: `Bearer ${token.reveal()}` }),
    };
    const request = { method, headers, body: body && JSON.stringify(body), signal, silenceMs };
    const response = await sendRequest(new URL(`${this.#name}/api/v1${path}`), request, tls).catch((error: unknown) =>
      this.#fail(error, signal),
    );
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    throw this.#refusal(statusCode, await this.#textOf(response, signal));
  }

  #textOf(response: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
    return readText(response).catch((error: unknown) => this.#fail(error, signal));
  }

  async *#bodyOf(response: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of response) yield chunk as Uint8Array;
    } catch (error) {
      this.#fail(error, signal);
    }
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#stranger('its answer is not JSON');
    }
  }

  #refusal(status: number, text: string): AdminError {
    if (status === 401) {
      return new AdminError(
        'UNAUTHORIZED',
        this.#target.token === undefined
          ? `${this.#name} demands a token: give it with --token-file FILE or in ENTREPOT_ADMIN_TOKEN`
          : `${this.#name} refuses the token: it must be that of admin.tokenFile (--token-file FILE)`,
      );
    }
    const error = errorIn(text);
    // The mirror's other doors say this of every path that they do not have.
    if (!error || error.code === 'UNSUPPORTED') return this.#stranger(`HTTP ${status}`);
    return new AdminError(error.code, printable(error.message));
  }

  #stranger(reason: string): AdminError {
    const message = `what answers at ${this.#name} is no entrepot's admin listener (${reason}): is the address right? (--admin URL)`;
    return new AdminError('NO_ENTREPOT', message);
  }

  /** Throws what a request failed with in this layer's words. */
  #fail(error: unknown, signal: AbortSignal | undefined): never {
    if (signal?.aborted) {
      if ((signal.reason as Error).name !== 'TimeoutError') throw signal.reason;
      throw new AdminError('TIMEOUT', `${this.#name} did not answer within ${CALL_TIMEOUT_MS / 1000} seconds`);
    }
    const cause = error as NodeJS.ErrnoException;
    const { code = '' } = cause;
    if (code === SILENT)
      throw new AdminError('LOST', `${this.#name} has fallen silent: what it does there goes on, or has hung`);
    if (NOBODY_CODES.has(code)) {
      throw new AdminError('NO_ENTREPOT', `no entrepot answers at ${this.#name}: is it running? (--admin URL)`, {
        cause,
      });
    }
    const fault = tlsFaultOf(cause);
    if (fault !== undefined) throw new AdminError('NO_ENTREPOT', `${this.#name} ${fault}`, { cause });
    throw new AdminError('LOST', `the connection to ${this.#name} broke: ${cause.message}`, { cause });
  }

  get #name(): string {
    return this.#target.url.href.replace(/\/$/, '');
  }
}

/** The error that an answer tells of, if it is one of a mirror. */
function errorIn(text: string): { code: string; message: string } | undefined {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const { code, message } = errors?.[0] ?? {};
    return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined;
  } catch {
    return undefined;
  }
}
