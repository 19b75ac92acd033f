import { errors } from 'undici';
import { givenUp } from './caller-signal.ts';
import { ForbiddenAddressError } from './forbidden-address-error.ts';
import { UpstreamError } from './upstream-error.ts';

/** Where an error came up. */
export interface ErrorPlace {
  readonly upstream: string;
  readonly url: URL;
  readonly signal: AbortSignal | undefined;
}

/** Makes an UpstreamError of whatever undici, Node's sockets or TLS threw. Names the host, never path or query. */
export function translateError(cause: unknown, { upstream, url, signal }: ErrorPlace): UpstreamError {
  if (cause instanceof UpstreamError) return cause;
  if (signal?.aborted) return givenUp(upstream, signal);
  if (cause instanceof ForbiddenAddressError) return new UpstreamError('INVALID', upstream, cause.message);
  const { host } = url;
  // No cause: a parser error carries the bytes that it could not read.
  if (cause instanceof errors.HTTPParserError)
    return new UpstreamError('INVALID', upstream, `${host} does not speak HTTP`);
  const code = codeOf(cause);
  switch (code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return new UpstreamError('TIMEOUT', upstream, `no connection to ${host} in time`, { cause });
    case 'UND_ERR_HEADERS_TIMEOUT':
      return new UpstreamError('TIMEOUT', upstream, `no answer from ${host} in time`, { cause });
    case 'UND_ERR_BODY_TIMEOUT':
      return new UpstreamError('TIMEOUT', upstream, `${host} stopped sending`, { cause });
    case 'UND_ERR_HEADERS_OVERFLOW':
      return new UpstreamError('INVALID', upstream, `${host} sent too many header bytes`, { cause });
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return new UpstreamError('UNREACHABLE', upstream, `the answer of ${host} ended early`, { cause });
    case 'UND_ERR_ABORTED':
    case 'UND_ERR_INVALID_ARG':
    case 'UND_ERR_PRX_CONN':
    case 'UND_ERR_PRX_TLS':
      // ProxyAgent's ways to say that the proxy answered CONNECT with no, demands another login, or broke the connection.
      return new UpstreamError('UNREACHABLE', upstream, `the proxy does not lead to ${host}`, { cause });
    default:
      return new UpstreamError('UNREACHABLE', upstream, `the connection to ${host} failed (${code})`, { cause });
  }
}

/** The `code` of an error, or of the first one in an aggregate of connection attempts. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error.name;
}
