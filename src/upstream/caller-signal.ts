import { UpstreamError } from './upstream-error.ts';

/** @throws UpstreamError `TIMEOUT` when the caller has given up already */
export function throwIfGivenUp(upstream: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw givenUp(upstream, signal);
}

/** What a caller gets that gave up by its signal; the signal's reason is the cause. */
export function givenUp(upstream: string, signal: AbortSignal): UpstreamError {
  return new UpstreamError('TIMEOUT', upstream, 'the caller gave up', { cause: signal.reason });
}

/** The promise's outcome, or {@link givenUp} as soon as the signal fires; the promise itself goes on unobserved. */
export async function untilGivenUp<Value>(
  upstream: string,
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (!signal) return promise;
  const { promise: fired, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(givenUp(upstream, signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([fired, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
