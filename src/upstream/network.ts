import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { BodyFeed } from './body-feed.ts';
import { givenUp, throwIfGivenUp } from './caller-signal.ts';
import type { UpstreamTimeouts } from './dispatcher.ts';
import { type Exchange, isStream, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { ResponseBody } from './response-body.ts';
import { translateError } from './translate-error.ts';
import { UpstreamError } from './upstream-error.ts';

export interface NetworkOptions {
  readonly upstream: string;
  readonly userAgent: string;
  /** Of requests with a streamed body; the dispatcher keeps them for all others. */
  readonly timeouts: Pick<UpstreamTimeouts, 'headersMs' | 'stallMs'>;
  /** undici closes a connection after HEAD, for servers that send a body all the same. This one is trusted not to. */
  readonly keepsAfterHead?: boolean;
  /** After its headers an answer has to be through within that time, however slowly it comes; undefined: any time. */
  readonly answerMs?: number;
}

/** As slowly a registry may hash a blob, or copy it to where it belongs (S3 knows no renaming), when all of it is there. */
const SETTLING_BYTES_PER_MS = (20 * 1024 * 1024) / 1000;
/** No more than that is added for it. */
const MAX_SETTLING_MS = 480_000;

/** The innermost exchange: one request, one answer, redirects and all. Translates foreign errors. */
export function sendByNetwork(dispatcher: Dispatcher, network: NetworkOptions): Exchange {
  return async (request) => {
    throwIfGivenUp(network.upstream, request.signal);
    return new Sending(dispatcher, network, request).answer;
  };
}

/** Headers that every request carries. */
export function commonHeaders(userAgent: string): Readonly<Record<string, string>> {
  return { 'user-agent': userAgent, 'accept-encoding': 'identity' };
}

/** A request on its way, and then its answer. When the signal fires all of it ends at once. */
class Sending {
  readonly #network: NetworkOptions;
  readonly #request: UpstreamRequest;
  readonly #feed: BodyFeed | undefined;
  readonly #answer = Promise.withResolvers<UpstreamResponse>();
  #control: Dispatcher.DispatchController | undefined;
  #body: ResponseBody | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(dispatcher: Dispatcher, network: NetworkOptions, request: UpstreamRequest) {
    this.#network = network;
    this.#request = request;
    this.#feed = this.#feedOf(request.body);
    request.signal?.addEventListener('abort', this.#onAbort, { once: true });
    dispatcher.dispatch(this.#dispatchOptions(), {
      onRequestStart: (control) => {
        this.#control = control;
        if (request.signal?.aborted) this.#onAbort();
      },
      onResponseStart: (control, status, headers) => this.#start(control, status, headers),
      onResponseData: (_, chunk) => this.#body?.push(chunk),
      onResponseEnd: () => {
        this.#finish();
        this.#body?.end();
      },
      onResponseError: (_, cause) => this.#fail(cause),
    });
  }

  /** Its headers are here, its body is still on its way. */
  get answer(): Promise<UpstreamResponse> {
    return this.#answer.promise;
  }

  get #headersMs(): number {
    const settlingMs = (this.#request.settledBytes ?? 0) / SETTLING_BYTES_PER_MS;
    return this.#network.timeouts.headersMs + Math.min(Math.ceil(settlingMs), MAX_SETTLING_MS);
  }

  #dispatchOptions(): Dispatcher.DispatchOptions {
    const { body, headers, method, url } = this.#request;
    const feed = this.#feed;
    const common = {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { ...headers, ...commonHeaders(this.#network.userAgent) },
      ...(this.#network.keepsAfterHead === true && method === 'HEAD' && { reset: false }),
    };
    if (!isStream(body)) return { ...common, body: body ?? null };
    if (!feed) return { ...common, body: null, headersTimeout: this.#headersMs };
    const length = { 'content-length': String(body.sizeBytes) };
    // undici takes any async iterable, which its types don't say. The feed knows when it is the server that all waits for.
    const iterable = feed as unknown as Readable;
    return { ...common, headers: { ...common.headers, ...length }, body: iterable, headersTimeout: 0 };
  }

  /** A stream of nothing is no stream: undici tells its length by itself. */
  #feedOf(body: UpstreamRequest['body']): BodyFeed | undefined {
    if (!isStream(body) || body.sizeBytes === 0) return undefined;
    const { timeouts, upstream } = this.#network;
    const { host } = this.#request.url;
    return new BodyFeed(body, {
      stallMs: timeouts.stallMs,
      headersMs: this.#headersMs,
      onStall: (problem) => this.#control?.abort(new UpstreamError('TIMEOUT', upstream, `${host} ${problem}`)),
    });
  }

  readonly #onAbort = (): void => {
    const { signal } = this.#request;
    const error = signal && givenUp(this.#network.upstream, signal);
    if (!error) return;
    this.#answer.reject(error);
    if (this.#body) this.#body.drop(error);
    // Without a control there is no connection yet, and with none the request is not sent.
    else this.#control?.abort(error);
  };

  #start(control: Dispatcher.DispatchController, status: number, headers: UpstreamResponse['headers']): void {
    if (status < 200) return;
    this.#feed?.stop();
    const { answerMs, upstream } = this.#network;
    // Errors are made when they are wanted: a stack costs more than all else here.
    const body = new ResponseBody(control, () => new UpstreamError('UNREACHABLE', upstream, 'the answer was dropped'));
    const { url } = this.#request;
    if (answerMs !== undefined) {
      const slow = () => new UpstreamError('TIMEOUT', upstream, `the answer of ${url.host} takes too long`);
      this.#timer = setTimeout(() => body.drop(slow()), answerMs).unref();
    }
    this.#body = body;
    this.#answer.resolve({ status, headers, url, body, discard: () => body.discard(), drop: () => body.drop() });
  }

  #fail(cause: unknown): void {
    this.#finish();
    const { signal, url } = this.#request;
    const error = translateError(cause, { upstream: this.#network.upstream, url, signal });
    this.#body?.fail(error);
    // What the source of the bytes threw is its caller's business.
    this.#answer.reject(this.#feed?.failure ?? error);
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
    this.#feed?.end();
  }
}
