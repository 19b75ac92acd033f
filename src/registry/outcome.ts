/**
 * How a request was answered (the words of Cache-Status, RFC 9211).
 * - `hit` from the store · `miss` from the upstream · `updating` from the store, while the upstream is asked
 * - `revalidated` from the store, confirmed by the upstream just now · `stale` from the store, since the upstream failed
 * - `bypass` from the upstream, without being stored
 */
export type Outcome = 'hit' | 'miss' | 'stale' | 'revalidated' | 'updating' | 'bypass';
