import type { UpstreamRequestKind } from '../telemetry/upstream-request-kind.ts';
import type { Pace } from './peer.ts';
import type { CallOptions } from './upstream.ts';

/** A body that is too large to be kept at hand. It can be made anew, for a request that is sent once more. */
export interface BodyStream {
  /** Exactly so many bytes come. */
  readonly sizeBytes: number;
  /** Its bytes, none of which is written to again. @param signal fires when no more of them are wanted */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What a peer's token has to be good for; `login`: for being known, whatever the repository. */
type Access = 'login' | 'push' | 'delete';

/** A request to a registry, to its token server, or to a storage that it redirects to. */
export interface UpstreamRequest {
  readonly kind: UpstreamRequestKind;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text is a form, for token requests. */
  readonly body?: string | Uint8Array | BodyStream;
  /** The repository's name at the registry: what a token has to be good for. */
  readonly repository?: string;
  /** Of requests to a peer; undefined: reading, from an upstream. */
  readonly access?: Access;
  /** Another repository that has to be readable, for a mount. */
  readonly from?: string;
  /** Bytes wait for it before they are sent. */
  readonly pace?: Pace;
  /** Read the body of a 200 within the exchange, so that a break in it is retried too; more bytes are INVALID. */
  readonly bodyLimitBytes?: number;
  /** So much of what it got the server may have to read once more, or to move, before it answers. */
  readonly settledBytes?: number;
  readonly purpose?: CallOptions['purpose'];
  readonly signal: AbortSignal | undefined;
}

/** An answer whose body is still on its way. Read the body, or {@link UpstreamResponse.discard} it. */
export interface UpstreamResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Who answered in the end, after redirects. */
  readonly url: URL;
  /** Throws an UpstreamError when the connection breaks or stalls. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The body of a 200 to a request with `bodyLimitBytes`. */
  readonly bytes?: Uint8Array;
  /** Lets go of the body: a short rest is read, so that the connection can be used again; a long one drops it. */
  discard(): void;
  /** Drops the connection with whatever is still on it. */
  drop(): void;
}

/**
 * The one shape of this layer: sending, redirects, login, retries and the circuit breaker wrap each other.
 * Throws UpstreamError; a status is an answer, not an error, until {@link failingStatuses} makes it one.
 */
export type Exchange = (request: UpstreamRequest) => Promise<UpstreamResponse>;

/** Does it change what the registry has? */
export function isWriting({ method }: Pick<UpstreamRequest, 'method'>): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

export function isStream(body: UpstreamRequest['body']): body is BodyStream {
  return typeof body === 'object' && !(body instanceof Uint8Array);
}

/** A header's value, the first one if it came several times. */
export function headerOf(response: Pick<UpstreamResponse, 'headers'>, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Content-Length in bytes; undefined when it is missing or no number. */
export function contentLengthOf(response: Pick<UpstreamResponse, 'headers'>): number | undefined {
  const text = headerOf(response, 'content-length') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
