import { IntervalSet, type Interval } from '../../util/interval-set.ts';

/** A stretch of a blob that one upstream request is to bring. */
export interface Claim {
  /** Where it began: what has come since may still be on its way to the disk. */
  startBytes: number;
  /** Offset of the next byte to come. */
  positionBytes: number;
  /** Where this request's work ends; moves down when another request takes over the rest. */
  endBytes: number;
  /** Ask with Range, or for the whole blob. */
  readonly isRanged: boolean;
  /** When the upstream began to answer; undefined until then. Of the same clock as {@link FillState.nowMs}. */
  answeredAtMs: number | undefined;
}

/** What is known when the next request of a fill is chosen. */
export interface FillState {
  /** Size of the blob; undefined until an upstream tells. */
  readonly sizeBytes: number | undefined;
  readonly have: readonly Interval[];
  readonly claims: readonly Claim[];
  /** Offsets at which clients wait for a byte. */
  readonly wanted: readonly number[];
  /** Does the upstream honour Range? Undefined: not known. Trying it beside a whole answer could bring the blob twice. */
  readonly honoursRange: boolean | undefined;
  readonly nowMs: number;
  /** Requests at once for a blob that nobody waits for at a special place. */
  readonly connections: number;
}

/** The next request, and the running one that gives a part of its stretch away to it. */
export interface Choice {
  readonly startBytes: number;
  readonly endBytes: number;
  readonly isRanged: boolean;
  readonly takenFrom?: Claim;
}

/** Blobs below this come by one plain GET, as every client asks and every registry answers. */
const SINGLE_BYTES = 16 * 1024 * 1024;
/** Asked for first when the size is not known; the answer tells it. */
const FIRST_BYTES = 4 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 4 * 1024 * 1024;
const MAX_SEGMENT_BYTES = 32 * 1024 * 1024;
/** Small parts of large blobs: a client that waits in the middle of one seldom has to have it cut. */
const SEGMENTS_PER_CONNECTION = 4;
/** A client waits at most this long for a running request to reach its offset before it gets one of its own. */
const PATIENCE_MS = 450;
/** A speed that is measured over less time than this says nothing. */
const SPEED_AFTER_MS = 150;
/** Clients that wait at many places may multiply a fill's requests by this. */
const DEMAND_FACTOR = 4;

/** Which bytes to ask an upstream for next; undefined when the running requests suffice. */
export function chooseClaim(state: FillState): Choice | undefined {
  const { sizeBytes, claims, honoursRange } = state;
  if (honoursRange === false) {
    return claims.length === 0 ? { startBytes: 0, endBytes: sizeBytes ?? Infinity, isRanged: false } : undefined;
  }
  if (sizeBytes === undefined) {
    if (claims.length > 0) return undefined;
    const startBytes = state.wanted[0] ?? 0;
    return { startBytes, endBytes: startBytes + FIRST_BYTES, isRanged: true };
  }
  // The first ranged answer tells whether several requests make sense at all.
  if (honoursRange === undefined && claims.some((claim) => claim.isRanged)) return undefined;
  return chooseForWaiting(state, sizeBytes) ?? chooseFirstGap(state, sizeBytes);
}

/** A request for a client that waits where no byte will come soon. */
function chooseForWaiting(state: FillState, sizeBytes: number): Choice | undefined {
  if (state.claims.length >= state.connections * DEMAND_FACTOR) return undefined;
  for (const wanted of state.wanted) {
    if (wanted >= sizeBytes) continue;
    const covering = state.claims.find((claim) => claim.positionBytes <= wanted && wanted < claim.endBytes);
    if (!covering) {
      const gap = gapAt(state, wanted, sizeBytes);
      if (gap && gap[0] === wanted) return choice(state, gap, sizeBytes);
    } else if (state.honoursRange === true && isTooFar(covering, wanted, state.nowMs)) {
      return {
        startBytes: wanted,
        endBytes: Math.min(covering.endBytes, sizeBytes),
        isRanged: true,
        takenFrom: covering,
      };
    }
  }
  return undefined;
}

function chooseFirstGap(state: FillState, sizeBytes: number): Choice | undefined {
  const several = state.honoursRange === true && sizeBytes >= 2 * MIN_SEGMENT_BYTES;
  if (state.claims.length >= (several ? state.connections : 1)) return undefined;
  const gap = gapAt(state, 0, sizeBytes);
  return gap && choice(state, gap, sizeBytes);
}

function choice(state: FillState, gap: Interval, sizeBytes: number): Choice {
  if (gap[0] === 0 && gap[1] === sizeBytes && sizeBytes < SINGLE_BYTES) {
    return { startBytes: 0, endBytes: sizeBytes, isRanged: false };
  }
  const share = Math.ceil(sizeBytes / (state.connections * SEGMENTS_PER_CONNECTION));
  const segment = Math.min(Math.max(share, MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
  return { startBytes: gap[0], endBytes: Math.min(gap[1], gap[0] + segment), isRanged: true };
}

/** The first stretch from there on that is neither here nor asked for. */
function gapAt(state: FillState, from: number, sizeBytes: number): Interval | undefined {
  const taken = new IntervalSet(state.have);
  for (const claim of state.claims) taken.add(claim.startBytes, Math.min(claim.endBytes, sizeBytes));
  return taken.firstGap(from, sizeBytes);
}

function isTooFar(claim: Claim, wanted: number, nowMs: number): boolean {
  const elapsedMs = claim.answeredAtMs === undefined ? 0 : nowMs - claim.answeredAtMs;
  if (elapsedMs < SPEED_AFTER_MS || wanted === claim.positionBytes) return false;
  const bytesPerMs = (claim.positionBytes - claim.startBytes) / elapsedMs;
  return (wanted - claim.positionBytes) / bytesPerMs > PATIENCE_MS;
}
