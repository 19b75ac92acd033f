import type { UpstreamRequestKind } from '../telemetry/telemetry.ts';
import type { CallOptions } from './upstream.ts';

/** A request to a registry, to its token server, or to a storage that it redirects to. */
export interface UpstreamRequest {
  readonly kind: UpstreamRequestKind;
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A form, for token requests. */
  readonly body?: string;
  /** The repository's name at the registry: what a token has to be good for. */
  readonly repository?: string;
  /** Read the body of a 200 within the exchange, so that a break in it is retried too; more bytes are INVALID. */
  readonly bodyLimitBytes?: number;
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
