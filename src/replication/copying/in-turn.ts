/**
 * Runs the work when its turn comes. A signal that fires before that ends the waiting: the turn is let pass.
 * @param enter asks for a turn, which lasts until the promise of `hold` settles
 * @throws the signal's reason, and what the work throws
 */
export async function inTurn<Value>(
  enter: (hold: () => Promise<void>) => Promise<unknown>,
  signal: AbortSignal,
  work: () => Promise<Value>,
): Promise<Value> {
  signal.throwIfAborted();
  const turn = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  void enter(() => {
    turn.resolve();
    return end.promise;
  });
  try {
    await unlessAborted(turn.promise, signal);
    return await work();
  } finally {
    end.resolve();
  }
}

/** Waits no longer when the signal fires: what is waited for goes on. @throws the signal's reason */
export async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
