import { CodedError } from '../util/coded-error.ts';

/**
 * - `NOT_FOUND` the upstream says that there is no such thing (404)
 * - `DENIED` it refuses us: no credentials, or not for this repository
 * - `CREDENTIALS_REFUSED` it refuses the credentials that are configured, and anonymous access too
 * - `RATE_LIMITED` 429, or not sent because of one or for the reserve; see `retryAfterMs`
 * - `UNREACHABLE` no connection, DNS failure, reset, TLS failure, proxy failure
 * - `TIMEOUT` no connection, headers or bytes in time
 * - `UNAVAILABLE` 5xx, or held back by the circuit breaker
 * - `REFUSED` it understood what we sent and will not take it (a 4xx, or 507); see `reason`
 * - `INVALID` an answer that cannot be true: wrong digest, wrong length, HTML, junk, too large, a forbidden redirect
 */
export type UpstreamErrorCode =
  | 'NOT_FOUND'
  | 'DENIED'
  | 'CREDENTIALS_REFUSED'
  | 'RATE_LIMITED'
  | 'UNREACHABLE'
  | 'TIMEOUT'
  | 'UNAVAILABLE'
  | 'REFUSED'
  | 'INVALID';

/** The one error that leaves upstream/, or a subclass. Its message names the upstream and never holds a secret. */
export class UpstreamError extends CodedError {
  declare readonly code: UpstreamErrorCode;
  readonly upstream: string;
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;
  /** How long the upstream wants to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** The registry's own code for it (distribution-spec, "Error Codes"), such as `MANIFEST_BLOB_UNKNOWN`. */
  readonly reason: string | undefined;

  constructor(
    code: UpstreamErrorCode,
    upstream: string,
    message: string,
    options: { status?: number; retryAfterMs?: number; reason?: string | undefined; cause?: unknown } = {},
  ) {
    super(code, `${upstream}: ${message}`, { cause: options.cause });
    this.upstream = upstream;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.reason = options.reason;
  }
}
