import { createHmac } from 'node:crypto';
import { Agent, type Dispatcher, request } from 'undici';
import type { Secret } from '../util/secret.ts';
import { throwIfGivenUp } from './caller-signal.ts';
import { headerOf } from './exchange.ts';
import { retryAfterMs } from './retry-after.ts';
import { translateError } from './translate-error.ts';
import { UpstreamError } from './upstream-error.ts';

export interface WebhookClientOptions {
  /** Names it in errors. */
  readonly name: string;
  readonly url: URL;
  /** Sent as a bearer token. */
  readonly token?: Secret;
  /** Key of the signature that is sent with each body. */
  readonly secret?: Secret;
  /** From the beginning of a request to its answer; the answer's body must have ended by then too. */
  readonly timeoutMs: number;
  readonly userAgent: string;
}

/** What a receiver said. */
export interface WebhookAnswer {
  readonly status: number;
  /** How long it wants to be left alone. */
  readonly retryAfterMs: number | undefined;
}

const SIGNATURE_HEADER = 'x-entrepot-signature-256';
const MAX_HEADER_BYTES = 16 * 1024;
/** Nobody reads what a receiver writes; a short body is taken so that the connection can be used again. */
const MAX_BODY_BYTES = 16 * 1024;
/** Below the five seconds after which many servers close a connection: what is sent to a closed one fails. */
const KEEP_ALIVE_MS = 4000;

/** Tells one receiver of events what happened. Redirects are answers, not followed: a token goes to its own host only. */
export class WebhookClient implements AsyncDisposable {
  readonly #options: WebhookClientOptions;
  readonly #dispatcher: Dispatcher;

  constructor(options: WebhookClientOptions) {
    const { timeoutMs } = options;
    this.#options = options;
    this.#dispatcher = new Agent({
      connect: { timeout: timeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      allowH2: false,
    });
  }

  /**
   * Sends a body once. @throws UpstreamError when there is no answer; the receiver may have taken it all the same
   */
  async post(
    { contentType, body }: { contentType: string; body: string },
    signal?: AbortSignal,
  ): Promise<WebhookAnswer> {
    const { name, timeoutMs, url, userAgent } = this.#options;
    throwIfGivenUp(name, signal);
    const limit = new AbortController();
    const end = () => limit.abort();
    const timer = setTimeout(end, timeoutMs).unref();
    signal?.addEventListener('abort', end, { once: true });
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    };
    try {
      const answer = await request(url, {
        dispatcher: this.#dispatcher,
        method: 'POST',
        headers: { ...this.#proofs(body), 'content-type': contentType, 'user-agent': userAgent },
        body,
        signal: limit.signal,
      });
      void passOver(answer.body, limit.signal).finally(release);
      return {
        status: answer.statusCode,
        retryAfterMs: retryAfterMs(headerOf(answer, 'retry-after'), Date.now()),
      };
    } catch (cause) {
      release();
      if (limit.signal.aborted && signal?.aborted !== true) {
        throw new UpstreamError('TIMEOUT', name, `no answer from ${url.host} within ${timeoutMs} ms`);
      }
      throw translateError(cause, { upstream: name, url, signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** What shows the receiver who sends this. */
  #proofs(body: string): Record<string, string> {
    const { secret, token } = this.#options;
    return {
      ...(token && { authorization: `Bearer ${token.reveal()}` }),
      ...(secret && {
        [SIGNATURE_HEADER]: `sha256=${createHmac('sha256', secret.reveal()).update(body).digest('hex')}`,
      }),
    };
  }
}

/** Reads a short body for nothing. A longer one, or one that does not end in time, costs the connection. */
async function passOver(body: Dispatcher.ResponseData['body'], signal: AbortSignal): Promise<void> {
  try {
    await body.dump({ limit: MAX_BODY_BYTES, signal });
  } catch {
    // The status has said all that there is to know.
  }
}
