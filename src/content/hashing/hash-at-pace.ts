import { sleep } from '../../util/sleep.ts';
import type { ContentHash } from './running-hash.ts';

/** Read between two pauses: a tenth of a second's worth, within these bounds. */
const MIN_STEP_BYTES = 64 * 1024;
const MAX_STEP_BYTES = 4 * 1024 * 1024;

/**
 * The sum of a file in hex, read no faster than told. The caller stops the hash, whether this returns or throws.
 * @throws ContentError, UnreadableError, the signal's reason
 */
export async function hashAtPace(
  hash: ContentHash,
  sizeBytes: number,
  pace: { readonly bytesPerSecond?: number; readonly signal?: AbortSignal },
): Promise<string> {
  const { signal } = pace;
  if (pace.bytesPerSecond !== undefined) {
    const bytesPerSecond = Math.max(1, pace.bytesPerSecond);
    const stepBytes = Math.floor(Math.min(MAX_STEP_BYTES, Math.max(MIN_STEP_BYTES, bytesPerSecond / 10)));
    for (let position = 0; position < sizeBytes; position += stepBytes) {
      const startedAtMs = performance.now();
      const end = Math.min(sizeBytes, position + stepBytes);
      await unlessAborted(signal, () => hash.reach(end));
      // A slow disk has used the time already. What it lost is not made good, or it would be read faster later.
      await sleepUntil(startedAtMs + ((end - position) / bytesPerSecond) * 1000, signal);
    }
  }
  return unlessAborted(signal, () => hash.finish(sizeBytes));
}

async function sleepUntil(atMs: number, signal: AbortSignal | undefined): Promise<void> {
  // A timer may be early by a fraction of a millisecond.
  for (let restMs = atMs - performance.now(); restMs > 0; restMs = atMs - performance.now()) {
    await sleep(Math.ceil(restMs), signal);
    signal?.throwIfAborted();
  }
}

/** Does not wait for the end of it when the signal fires. */
async function unlessAborted<Value>(signal: AbortSignal | undefined, act: () => Promise<Value>): Promise<Value> {
  if (!signal) return act();
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([act(), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
