/** Request directive of `Cache-Control`: answer from the store, or not at all (RFC 9111 5.2.1.7). */
export const ONLY_IF_CACHED = 'only-if-cached';

/**
 * `Cache-Status` (RFC 9211) of the 504 that such a request is answered with when it is not in the store. A 504 without it
 * may come from something that stands between.
 */
export const NOT_CACHED_STATUS = 'entrepot; detail=not-cached';

const NOT_CACHED = /(?:^|,)[ \t]*entrepot[ \t]*;[ \t]*detail=not-cached[ \t]*(?:[,;]|$)/;

/** What an entrepot writes there of an answer that it had to ask others for. */
const FORWARDED = /(?:^|,)[ \t]*entrepot[ \t]*;[ \t]*fwd=/;

/** Whatever an entrepot writes there. */
const ENTREPOT = /(?:^|,)[ \t]*entrepot[ \t]*;/;

/** Does a `Cache-Control` have the directive? */
export function isOnlyIfCached(cacheControl: string | undefined): boolean {
  const directives = cacheControl?.split(',') ?? [];
  return directives.some((directive) => directive.trim().toLowerCase() === ONLY_IF_CACHED);
}

/** Does a `Cache-Status` say that it is not in the store? Those who stand between may have added what they did. */
export function saysNotCached(cacheStatus: string | undefined): boolean {
  return cacheStatus !== undefined && NOT_CACHED.test(cacheStatus);
}

/** Does a `Cache-Status` say that an entrepot did not have it itself? */
export function saysForwarded(cacheStatus: string | undefined): boolean {
  return cacheStatus !== undefined && FORWARDED.test(cacheStatus);
}

/** Is a `Cache-Status` that of an entrepot? */
export function isFromEntrepot(cacheStatus: string | undefined): boolean {
  return cacheStatus !== undefined && ENTREPOT.test(cacheStatus);
}
