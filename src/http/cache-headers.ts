import type { Outcome } from '../registry/outcome.ts';
import type { Answer } from './answer.ts';

/** The parameters of Cache-Status for each outcome (RFC 9211 2). */
const PARAMETERS: Record<Outcome, string> = {
  hit: 'hit',
  miss: 'fwd=miss; stored',
  stale: 'hit; fwd=stale; detail=stale',
  revalidated: 'hit; fwd=stale; detail=revalidated',
  updating: 'hit; detail=updating',
  bypass: 'fwd=bypass',
};

/** Where an answer came from and how old it is. @param isShared it waits for a request that another client caused */
export function cacheHeaders(outcome: Outcome, ageMs: number, isShared = false): Answer['headers'] {
  return {
    Age: Math.floor(ageMs / 1000),
    'Cache-Status': `entrepot; ${PARAMETERS[outcome]}${isShared ? '; collapsed' : ''}`,
  };
}
