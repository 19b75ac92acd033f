import { setTimeout as delay } from 'node:timers/promises';

/** Resolves after `ms`, or at once when the signal fires: the caller looks at the signal itself. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal, ref: false });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/** The promise's value if it settles within `ms`, otherwise undefined; the promise goes on. Meanwhile the process lives. */
export async function within<Value>(ms: number, promise: Promise<Value>): Promise<Value | undefined> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
