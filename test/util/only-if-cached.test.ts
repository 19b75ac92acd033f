import { describe, expect, test } from 'vitest';
import { isOnlyIfCached, NOT_CACHED_STATUS, saysForwarded, saysNotCached } from '../../src/util/only-if-cached.ts';

describe('Cache-Control', () => {
  test.each(['only-if-cached', 'Only-If-Cached', 'no-transform, only-if-cached', 'only-if-cached ,max-age=0'])(
    '%j asks for what is in the store',
    (value) => expect(isOnlyIfCached(value)).toBe(true),
  );

  test.each([undefined, '', 'no-cache', 'not-only-if-cached', 'only-if-cached=1', 'x="only-if-cached"'])(
    '%j does not',
    (value) => expect(isOnlyIfCached(value)).toBe(false),
  );
});

describe('Cache-Status', () => {
  test.each([
    NOT_CACHED_STATUS,
    'proxy; hit, entrepot; detail=not-cached',
    'entrepot;detail=not-cached, proxy; fwd=miss',
    'entrepot; detail=not-cached; x=1',
  ])('%j says that it is not in the store', (value) => expect(saysNotCached(value)).toBe(true));

  test.each([undefined, '', 'entrepot; hit', 'proxy; detail=not-cached', 'my-entrepot; detail=not-cached-at-all'])(
    '%j does not',
    (value) => expect(saysNotCached(value)).toBe(false),
  );

  test.each([
    'entrepot; fwd=miss; stored',
    'entrepot;fwd=bypass',
    'proxy; hit, entrepot; fwd=miss; collapsed',
    'entrepot; fwd=miss, proxy; fwd=uri-miss',
  ])('%j says that others were asked', (value) => expect(saysForwarded(value)).toBe(true));

  test.each([
    undefined,
    '',
    'entrepot; hit',
    'entrepot; hit; fwd=stale; detail=stale',
    'proxy; fwd=miss',
    NOT_CACHED_STATUS,
  ])('%j does not say so', (value) => expect(saysForwarded(value)).toBe(false));
});
