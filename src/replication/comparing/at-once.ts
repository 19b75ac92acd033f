import pLimit from 'p-limit';

/** Requests to one peer beside each other. */
const AT_ONCE = 8;

/**
 * Does the work for each item, some beside each other. When it returns or throws nothing of it goes on.
 * @throws what the first work that failed threw; the signal's reason
 */
export async function mapAtOnce<Item, Result>(
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const limit = pLimit(AT_ONCE);
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const results = await Promise.allSettled(
    items.map((item) =>
      limit(async () => {
        either.throwIfAborted();
        try {
          return await work(item, either);
        } catch (error) {
          failure.abort(error);
          throw error;
        }
      }),
    ),
  );
  signal.throwIfAborted();
  failure.signal.throwIfAborted();
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
