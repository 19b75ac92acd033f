import { UpstreamError } from '../../upstream/upstream-error.ts';

/** What to do after a request of a fill failed. */
export type Verdict =
  | { readonly kind: 'again' | 'withoutRange' | 'nextSource'; readonly delayMs: number }
  | { readonly kind: 'fail' };

/** Where the fill stands when a request fails. */
export interface FailureContext {
  /** Clients have been told that the blob comes: giving up now breaks their connections. */
  readonly isConfirmed: boolean;
  /** Failures since a byte last came. */
  readonly failedAttempts: number;
  /** The request had a Range and the blob could be asked for without one. */
  readonly canDropRange: boolean;
  readonly otherSources: number;
}

const MAX_ATTEMPTS = 6;
const BASE_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** An upstream that says when to come again is not asked before, if that is soon enough for clients that wait. */
const MAX_LIMITED_DELAY_MS = 30_000;

/**
 * A broken download is taken up again where it broke, with growing pauses; a request that never began is not, since the
 * upstream layer has repeated it already and the client can still be given a proper status.
 */
export function judgeFailure(error: unknown, context: FailureContext): Verdict {
  if (!(error instanceof UpstreamError)) return { kind: 'fail' };
  const delayMs = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** context.failedAttempts);
  switch (error.code) {
    case 'INVALID':
      if (context.canDropRange) return { kind: 'withoutRange', delayMs: 0 };
      return context.otherSources > 0 ? { kind: 'nextSource', delayMs: 0 } : { kind: 'fail' };
    case 'NOT_FOUND':
    case 'DENIED':
    case 'CREDENTIALS_REFUSED':
    case 'REFUSED':
      return context.otherSources > 0 ? { kind: 'nextSource', delayMs: 0 } : { kind: 'fail' };
    case 'RATE_LIMITED':
    case 'UNREACHABLE':
    case 'TIMEOUT':
    case 'UNAVAILABLE':
      if (context.failedAttempts >= MAX_ATTEMPTS) return { kind: 'fail' };
      if (!context.isConfirmed) {
        return context.otherSources > 0 ? { kind: 'nextSource', delayMs: 0 } : { kind: 'fail' };
      }
      return { kind: 'again', delayMs: Math.max(delayMs, Math.min(mostMs(error), error.retryAfterMs ?? 0)) };
  }
}

function mostMs({ code }: UpstreamError): number {
  return code === 'RATE_LIMITED' ? MAX_LIMITED_DELAY_MS : MAX_DELAY_MS;
}
