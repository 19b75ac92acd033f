import type { HoldBackReason } from './rate-limit-error.ts';
import type { RateNumbers } from './rate-numbers.ts';
import type { Purpose } from './upstream.ts';

/** A request that is to be sent, as far as a rate limit is concerned. */
export interface RateDemand {
  readonly purpose: Purpose;
  /** May it go in spite of the reserve, now and then? A HEAD costs nothing, and its answer tells the numbers. */
  readonly isProbe: boolean;
}

/** Why a request has to wait, and for how long until it makes sense to ask again. */
export interface HoldBack {
  readonly reason: HoldBackReason;
  readonly waitMs: number;
}

/** How long an upstream is left alone after a 429 that does not say. */
const BLOCKED_FOR_MS = 5000;
/** Docker Hub's window; numbers that come without one hold no longer than that. */
const USUAL_WINDOW_MS = 6 * 3_600_000;
/** Below the reserve, new numbers are looked for so often. */
const PROBE_EVERY_MS = 60_000;
/** More than the sum of two times of the clock may be off by. */
const ROUNDING_MS = 0.001;

/**
 * What one account may still ask of its upstream. It believes the upstream's numbers until the window has passed that
 * came with them, and knows no limit without any. All times are of a clock that only goes forward, in milliseconds.
 */
export class RateBudget {
  readonly #reserve: number;
  #numbers: RateNumbers | undefined;
  #toldAt = 0;
  #probedAt = 0;
  #blockedUntil = 0;

  /** @param reserve the part of the limit that is kept for misses, 0 to 1; 0: nothing is kept */
  constructor(reserve: number) {
    this.#reserve = reserve;
  }

  /** An answer told the numbers. */
  told(numbers: RateNumbers, nowMs: number): void {
    this.#numbers = numbers;
    this.#toldAt = nowMs;
  }

  /** An answer that should tell the numbers told none: soon after the last ones that may be chance, then they are gone. */
  toldNothing(nowMs: number): void {
    if (nowMs >= this.#toldAt + PROBE_EVERY_MS) this.#numbers = undefined;
  }

  /** The upstream said 429. Gives the milliseconds for which it is left alone. */
  refused(retryAfterMs: number | undefined, nowMs: number): number {
    this.#blockedUntil = Math.max(this.#blockedUntil, nowMs + (retryAfterMs ?? BLOCKED_FOR_MS));
    return this.blockedForMs(nowMs);
  }

  /** 0: not blocked. */
  blockedForMs(nowMs: number): number {
    return Math.max(Math.ceil(this.#blockedUntil - nowMs - ROUNDING_MS), 0);
  }

  /** The last numbers that still hold. */
  numbersAt(nowMs: number): RateNumbers | undefined {
    return nowMs < this.#endOfWindow ? this.#numbers : undefined;
  }

  /** The part of the limit that remains, 0 to 1; 1 where no limit is known. */
  shareAt(nowMs: number): number {
    const numbers = this.numbersAt(nowMs);
    return numbers ? numbers.remaining / numbers.limit : 1;
  }

  /** undefined: it may be sent. That nothing remains holds no miss back: the upstream has the last word on it. */
  holdBack(demand: RateDemand, nowMs: number): HoldBack | undefined {
    const blockedMs = this.blockedForMs(nowMs);
    if (blockedMs > 0) return { reason: 'blocked', waitMs: blockedMs };
    if (demand.purpose === 'miss' || !this.#isLow(nowMs)) return undefined;
    const probeInMs = demand.isProbe ? this.#nextProbeAt - nowMs : PROBE_EVERY_MS;
    if (probeInMs <= 0) return undefined;
    return { reason: 'reserve', waitMs: Math.ceil(Math.min(probeInMs, this.#endOfWindow - nowMs)) };
  }

  /** A request is being sent that was not held back. */
  sending(demand: RateDemand, nowMs: number): void {
    if (demand.isProbe && this.#isLow(nowMs)) this.#probedAt = nowMs;
  }

  #isLow(nowMs: number): boolean {
    const numbers = this.numbersAt(nowMs);
    return numbers !== undefined && this.#reserve > 0 && numbers.remaining <= numbers.limit * this.#reserve;
  }

  get #nextProbeAt(): number {
    return Math.max(this.#toldAt, this.#probedAt) + PROBE_EVERY_MS;
  }

  get #endOfWindow(): number {
    return this.#toldAt + (this.#numbers?.windowMs ?? USUAL_WINDOW_MS);
  }
}
