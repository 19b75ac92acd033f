import { UpstreamError } from './upstream-error.ts';

/** Why a request is not sent: the upstream said 429, or what is left of its limit is kept for clients. */
export type HoldBackReason = 'blocked' | 'reserve';

/**
 * The limit of one of our accounts: a 429 of the registry or of its token server, or a request that was not sent. A 429
 * of a storage that a blob was redirected to is a plain UpstreamError: it says nothing of the account.
 */
export class RateLimitError extends UpstreamError {
  /** Why nothing was sent; undefined: it was, and refused. */
  readonly heldBack: HoldBackReason | undefined;

  constructor(
    upstream: string,
    message: string,
    options: { retryAfterMs: number; heldBack?: HoldBackReason; status?: number; cause?: unknown },
  ) {
    super('RATE_LIMITED', upstream, message, options);
    this.heldBack = options.heldBack;
  }
}
