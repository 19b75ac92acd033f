import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import type { Peer } from '../upstream/peer.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import { Alarm } from '../util/alarm.ts';
import type { PeerStatus } from './replication-operations.ts';

/** How a peer is left alone and tried again. */
export interface HealthTimes {
  /** After the first failure; it doubles with each one. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** A peer that nothing was heard of for so long is asked whether it is there. */
  readonly checkMs: number;
  /** After a failure one job goes first, for so long at most. */
  readonly trialMs: number;
  /** An answer that takes longer is none. */
  readonly pingMs: number;
}

export const HEALTH_TIMES: HealthTimes = {
  firstPauseMs: 1000,
  maxPauseMs: 60_000,
  checkMs: 60_000,
  trialMs: 5000,
  pingMs: 20_000,
};

export interface PeerHealthOptions {
  readonly client: Peer;
  /** A name that cannot be the peer's, as this site has it: what both change would seem to be one site's doing. */
  readonly ownSite: string | undefined;
  readonly telemetry: Telemetry;
  /** More jobs may begin than before. */
  readonly onUp: () => void;
  readonly times: HealthTimes;
}

interface Trouble {
  readonly sinceMs: number;
  readonly error: string;
  /** Since a job last worked. */
  readonly failures: number;
}

/** By `performance.now()`. */
type State =
  | { readonly kind: 'up'; readonly heardAt: number }
  | { readonly kind: 'down'; readonly trouble: Trouble; readonly retryAt: number }
  | { readonly kind: 'trial'; readonly trouble: Trouble; readonly endsAt: number };

/** What a peer's own wish to be left alone counts for at most. */
const MAX_RETRY_AFTER_MS = 3_600_000;
/** With these it understood who asks, and what; jobs find out what may be done. */
const ANSWERS = new Set(['DENIED', 'NOT_FOUND', 'REFUSED']);

/**
 * Whether a peer works. When a job finds that it does not, nothing is begun for a pause that grows with each failure; then
 * it is asked whether it is there, then one job goes first: a peer may answer everything but what a job needs.
 */
export class PeerHealth implements AsyncDisposable {
  readonly #options: PeerHealthOptions;
  readonly #alarm = new Alarm();
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #state: State = { kind: 'up', heardAt: -Infinity };
  #site: string | undefined;

  constructor(options: PeerHealthOptions) {
    this.#options = options;
  }

  /** The name that it gives itself; undefined: it has told none. */
  get site(): string | undefined {
    return this.#site;
  }

  get status(): PeerStatus {
    const state = this.#state;
    const { name } = this.#options.client;
    const base = { name, isUp: state.kind === 'up', ...(this.#site !== undefined && { site: this.#site }) };
    if (state.kind === 'up') return base;
    const { sinceMs, error } = state.trouble;
    const retryAtMs = state.kind === 'down' ? Math.round(Date.now() + state.retryAt - performance.now()) : Date.now();
    return { ...base, downSinceMs: sinceMs, error, retryAtMs };
  }

  /** Begins to look after it. */
  start(): void {
    this.#watching = this.#watch();
  }

  /** How many jobs may run at the same time, of so many. */
  allowance(maxJobs: number): number {
    const state = this.#state;
    // Who it is has to be known before it is sent anything.
    const isUnknown = state.kind === 'up' && state.heardAt === -Infinity && this.#options.ownSite !== undefined;
    return isUnknown ? 0 : { up: maxJobs, trial: 1, down: 0 }[state.kind];
  }

  /** Does the next job show whether it works? */
  get isOnTrial(): boolean {
    return this.#state.kind === 'trial';
  }

  /** Something worked that was asked of it. */
  worked(): void {
    // While it is left alone, what was asked of it before says nothing of it.
    if (this.#state.kind !== 'down') this.#rise();
  }

  /** Something failed that would have failed for all. */
  failed(error: unknown): void {
    const before = this.#state;
    const retryAfterMs = error instanceof UpstreamError ? (error.retryAfterMs ?? 0) : 0;
    const quietMs = Math.min(retryAfterMs, MAX_RETRY_AFTER_MS);
    if (before.kind === 'down') {
      // Those that ran beside the first one fail as well.
      this.#state = { ...before, retryAt: Math.max(before.retryAt, performance.now() + quietMs) };
      return;
    }
    const failures = before.kind === 'trial' ? before.trouble.failures + 1 : 1;
    const sinceMs = before.kind === 'trial' ? before.trouble.sinceMs : Date.now();
    if (before.kind === 'up') {
      this.#options.telemetry.replication.peerDown({ peer: this.#options.client.name, error });
    }
    this.#fall({ sinceMs, failures, error: describeError(error).error }, quietMs);
  }

  /** It is asked now whether it is there. */
  check(): void {
    const now = performance.now();
    if (this.#state.kind === 'up') this.#state = { kind: 'up', heardAt: -Infinity };
    if (this.#state.kind === 'down') this.#state = { ...this.#state, retryAt: now };
    this.#alarm.ring();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#alarm.ring();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const restMs = this.#nextLookAt() - performance.now();
      if (restMs > 0) await this.#alarm.wait(Math.ceil(restMs));
      else if (this.#state.kind === 'trial') this.#rise();
      else await this.#ping();
    }
  }

  #nextLookAt(): number {
    const state = this.#state;
    if (state.kind === 'up') return state.heardAt + this.#options.times.checkMs;
    return state.kind === 'down' ? state.retryAt : state.endsAt;
  }

  async #ping(): Promise<void> {
    const { client, times, ownSite } = this.#options;
    const { signal } = this.#stop;
    try {
      const { site } = await client.ping({ signal: AbortSignal.any([signal, AbortSignal.timeout(times.pingMs)]) });
      this.#site = site;
      if (site !== undefined && site === ownSite) throw sameName(client.name, site);
    } catch (error) {
      if (signal.aborted) return;
      if (!isAnswer(error)) {
        this.#pingFailed(error);
        return;
      }
    }
    const state = this.#state;
    if (state.kind === 'down') {
      this.#state = { kind: 'trial', trouble: state.trouble, endsAt: performance.now() + times.trialMs };
      this.#options.onUp();
    } else this.worked();
  }

  #pingFailed(error: unknown): void {
    const state = this.#state;
    if (state.kind !== 'down') {
      this.failed(error);
      return;
    }
    const retryAfterMs = error instanceof UpstreamError ? (error.retryAfterMs ?? 0) : 0;
    const { sinceMs, failures } = state.trouble;
    const trouble = { sinceMs, failures: failures + 1, error: describeError(error).error };
    this.#fall(trouble, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
  }

  #fall(trouble: Trouble, quietMs: number): void {
    const { firstPauseMs, maxPauseMs } = this.#options.times;
    // Many that lost the same peer do not come back at once.
    const grownMs = firstPauseMs * 2 ** (trouble.failures - 1) * (0.75 + Math.random() / 2);
    const pauseMs = Math.max(Math.min(grownMs, maxPauseMs), quietMs);
    this.#state = { kind: 'down', trouble, retryAt: performance.now() + pauseMs };
    this.#alarm.ring();
  }

  #rise(): void {
    const before = this.#state;
    this.#state = { kind: 'up', heardAt: performance.now() };
    if (before.kind === 'up') {
      if (before.heardAt === -Infinity) this.#options.onUp();
      return;
    }
    const downMs = Date.now() - before.trouble.sinceMs;
    this.#options.telemetry.replication.peerUp({ peer: this.#options.client.name, downMs });
    this.#options.onUp();
  }
}

/** Who does not know us at all has no use for jobs either. */
function isAnswer(error: unknown): boolean {
  return error instanceof UpstreamError && ANSWERS.has(error.code) && error.status !== 401;
}

function sameName(peer: string, site: string): UpstreamError {
  const message = `it has the same site name as this site, "${site}": each site needs a name of its own (key \`site\`)`;
  return new UpstreamError('INVALID', peer, message);
}
