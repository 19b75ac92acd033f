/** Enough for tokens and long lists of digests, little enough for a flood of connections. */
export const MAX_HEADER_BYTES = 32 * 1024;
/** A connection on which nothing moves for this long is closed: slow clients move, dead ones do not. */
export const IDLE_MS = 5 * 60_000;
/** Longer than the idle time of common load balancers, so that they close first. */
export const KEEP_ALIVE_MS = 75_000;
