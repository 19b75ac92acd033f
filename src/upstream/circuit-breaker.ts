export interface BreakerOptions {
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Called when it opens and when it closes. */
  readonly onMove: (open: boolean) => void;
  /** Default {@link USUAL_LIMITS}. */
  readonly limits?: BreakerLimits;
}

/** When a breaker opens, and for how long. */
export interface BreakerLimits {
  /** It opens after so many failures in a row. */
  readonly failures: number;
  /** The longest time between two trials. */
  readonly maxPauseMs: number;
}

const USUAL_LIMITS: BreakerLimits = { failures: 5, maxPauseMs: 5000 };
const FIRST_PAUSE_MS = 1000;

/**
 * Opens after five failures in a row. While it is open, a trial request goes through after 1 s, then 2 s, 4 s and every
 * 5 s (or what other limits say), whatever became of the trial before: one that hangs, or whose caller left, must not keep
 * the upstream shut. For that reason it is not cockatiel's, which waits for the outcome of its one trial and takes an
 * abort for a success.
 */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #limits: BreakerLimits;
  #failures = 0;
  #pauseMs = 0;
  #nextTrialAt = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? USUAL_LIMITS;
  }

  /** Are requests held back, but for trials? */
  get isOpen(): boolean {
    return this.#pauseMs > 0;
  }

  /** Milliseconds until the next trial; 0: a request may go ahead. */
  get waitMs(): number {
    return this.isOpen ? Math.max(Math.ceil(this.#nextTrialAt - this.#options.now()), 0) : 0;
  }

  /** As {@link waitMs}, and with 0 a request goes ahead: if it is a trial, it is counted as one. */
  admit(): number {
    const { waitMs } = this;
    if (this.isOpen && waitMs === 0) this.#pause(Math.min(this.#pauseMs * 2, this.#limits.maxPauseMs));
    return waitMs;
  }

  /** The upstream answered, with whatever. */
  succeeded(): void {
    const wasOpen = this.isOpen;
    this.#failures = 0;
    this.#pauseMs = 0;
    if (wasOpen) this.#options.onMove(false);
  }

  /** It did not answer, or only that it can't. */
  failed(): void {
    this.#failures++;
    if (this.isOpen || this.#failures < this.#limits.failures) return;
    this.#pause(FIRST_PAUSE_MS);
    this.#options.onMove(true);
  }

  #pause(ms: number): void {
    this.#pauseMs = ms;
    this.#nextTrialAt = this.#options.now() + ms;
  }
}
