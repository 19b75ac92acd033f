import { LRUCache } from 'lru-cache';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Account } from './account.ts';
import { chooseAccount } from './choose-account.ts';
import type { UpstreamRequest, UpstreamResponse } from './exchange.ts';
import { purposeOf } from './purpose-of.ts';
import type { HoldBack, RateDemand } from './rate-budget.ts';
import { RateLimitError } from './rate-limit-error.ts';
import { MAX_RETRY_AFTER_MS } from './retry-after.ts';
import { UpstreamError } from './upstream-error.ts';
import type { AccountBlock, AccountReport, Purpose } from './upstream.ts';

export interface AccountsOptions {
  readonly upstream: string;
  readonly telemetry: Telemetry;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** An account that may not read a repository is asked for it last for so long: each try costs a new login. */
const DENIED_FOR_MS = 60_000;
const MAX_DENIALS = 10_000;

/** The accounts of one upstream, one at least: each request goes by the one that has most left. */
export class Accounts implements Disposable {
  readonly #all: readonly Account[];
  readonly #options: AccountsOptions;
  /** Those whose 429 was told to the telemetry, and not yet its end. */
  readonly #blocked = new Set<Account>();
  /** By account and repository. */
  readonly #denials: LRUCache<string, true>;
  #end: NodeJS.Timeout | undefined;
  #last = -1;

  constructor(all: readonly Account[], options: AccountsOptions) {
    this.#all = all;
    this.#options = options;
    const { now } = options;
    this.#denials = new LRUCache({ max: MAX_DENIALS, ttl: DENIED_FOR_MS, ttlResolution: 0, perf: { now } });
  }

  /** Would a request for this be sent now? */
  mayAsk(purpose: Purpose): boolean {
    return this.#heldBack(demandOf(purpose)) === undefined;
  }

  /** @throws RateLimitError when no account may be asked for this now */
  throwIfHeldBack(purpose: Purpose): void {
    const held = this.#heldBack(demandOf(purpose));
    if (held) throw this.#refusal(held, purpose);
  }

  report(): AccountReport[] {
    this.#notice();
    return this.#all.map((account) => account.report());
  }

  /** See {@link Upstream.leaveAlone}. */
  leaveAlone(blocks: readonly AccountBlock[]): void {
    for (const { position, username, blockedForMs } of blocks) {
      const account = this.#all[position];
      // The configuration was changed meanwhile.
      if (account?.username !== username) continue;
      account?.budget.refused(Math.min(blockedForMs, MAX_RETRY_AFTER_MS), this.#options.now());
    }
    this.#notice();
  }

  /**
   * Sends by one account, and by the next one when that one's limit is reached, its credentials are wrong, or it has no
   * right to the repository.
   */
  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const tried = new Set<Account>();
    let failure: UpstreamError | undefined;
    for (;;) {
      const purpose = purposeOf(request);
      const isProbe = purpose === 'revalidation' && request.kind === 'manifest' && request.method === 'HEAD';
      const demand = { purpose, isProbe };
      const nowMs = this.#options.now();
      const account = this.#choose(demand, tried, request.repository);
      if (!account) throw this.#verdict(demand, failure, this.#soonest(demand, tried, nowMs));
      tried.add(account);
      account.budget.sending(demand, nowMs);
      try {
        const response = await account.send(request);
        this.#denials.delete(this.#denialOf(account, request.repository));
        return response;
      } catch (error) {
        this.#notice();
        if (!mayDifferByAccount(error)) throw error;
        if (!(error instanceof RateLimitError)) this.#denials.set(this.#denialOf(account, request.repository), true);
        failure = failure ? moreHopeful(failure, error) : error;
      }
    }
  }

  #choose(demand: RateDemand, tried: ReadonlySet<Account>, repository: string | undefined): Account | undefined {
    this.#notice();
    const nowMs = this.#options.now();
    const candidates = this.#all.map((account) => ({
      isEligible: !tried.has(account) && account.budget.holdBack(demand, nowMs) === undefined,
      isRefused: account.isRefused || this.#denials.has(this.#denialOf(account, repository)),
      share: account.budget.shareAt(nowMs),
    }));
    const index = chooseAccount(candidates, this.#last);
    if (index === undefined) return undefined;
    this.#last = index;
    return this.#all[index];
  }

  #denialOf(account: Account, repository = ''): string {
    return `${this.#all.indexOf(account)} ${repository}`;
  }

  /** undefined: some account may be asked. */
  #heldBack(demand: RateDemand): HoldBack | undefined {
    this.#notice();
    const nowMs = this.#options.now();
    const isFree = this.#all.some(({ budget }) => budget.holdBack(demand, nowMs) === undefined);
    return isFree ? undefined : this.#soonest(demand, new Set(), nowMs);
  }

  /** The shortest wait of the accounts that were not tried. */
  #soonest(demand: RateDemand, tried: ReadonlySet<Account>, nowMs: number): HoldBack | undefined {
    const untried = this.#all.filter((account) => !tried.has(account));
    const held = untried.flatMap(({ budget }) => budget.holdBack(demand, nowMs) ?? []);
    return held.toSorted((a, b) => a.waitMs - b.waitMs)[0];
  }

  /** Why no account gave an answer. One that is only held back might have: then the rest is no final word. */
  #verdict({ purpose }: RateDemand, failure: UpstreamError | undefined, held: HoldBack | undefined): UpstreamError {
    const failedFor = failure?.retryAfterMs ?? Number.POSITIVE_INFINITY;
    const waitMs = Math.min(held?.waitMs ?? Number.POSITIVE_INFINITY, failedFor);
    if (!failure) return this.#refusal({ reason: held?.reason ?? 'blocked', waitMs }, purpose);
    if (failure instanceof RateLimitError && failure.heldBack) {
      return this.#refusal({ reason: failure.heldBack, waitMs }, purpose);
    }
    if (!held || failedFor <= waitMs) return failure;
    const message = 'no other account may be asked';
    return new RateLimitError(this.#options.upstream, message, { retryAfterMs: waitMs, cause: failure });
  }

  #refusal({ reason, waitMs }: HoldBack, purpose: Purpose): RateLimitError {
    const { telemetry, upstream } = this.#options;
    telemetry.requestHeldBack({ upstream, purpose, reason });
    const why = reason === 'blocked' ? 'held back after 429' : 'what is left of the rate limit is kept for clients';
    return new RateLimitError(upstream, why, { heldBack: reason, retryAfterMs: waitMs });
  }

  /** Tells the telemetry which accounts were blocked since the last look, and which may be asked again. */
  #notice(): void {
    const { now, telemetry, upstream } = this.#options;
    const nowMs = now();
    const isAnyLeft = this.#all.some(({ budget }) => budget.blockedForMs(nowMs) === 0);
    for (const account of this.#all) {
      const blockedForMs = account.budget.blockedForMs(nowMs);
      if (this.#blocked.has(account) === blockedForMs > 0) continue;
      if (blockedForMs > 0) this.#blocked.add(account);
      else this.#blocked.delete(account);
      telemetry.rateLimitMoved({ upstream, account: account.label, blockedForMs, isAnyLeft });
    }
    this.#awaitEnd(nowMs);
  }

  /** Whoever watches is to be told of the end when it comes, not when somebody asks the upstream for something. */
  #awaitEnd(nowMs: number): void {
    clearTimeout(this.#end);
    if (this.#blocked.size === 0) return;
    const waitsMs = [...this.#blocked].map(({ budget }) => budget.blockedForMs(nowMs));
    this.#end = setTimeout(() => this.#notice(), Math.min(...waitsMs)).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#end);
  }
}

/** Before a request is made up: what revalidates may turn out to be a HEAD. */
function demandOf(purpose: Purpose): RateDemand {
  return { purpose, isProbe: purpose === 'revalidation' };
}

function mayDifferByAccount(error: unknown): error is UpstreamError {
  if (error instanceof RateLimitError) return true;
  return error instanceof UpstreamError && (error.code === 'CREDENTIALS_REFUSED' || error.code === 'DENIED');
}

function moreHopeful(first: UpstreamError, second: UpstreamError): UpstreamError {
  if (hopeOf(first) !== hopeOf(second)) return hopeOf(first) > hopeOf(second) ? first : second;
  return (second.retryAfterMs ?? 0) < (first.retryAfterMs ?? 0) ? second : first;
}

/** What passes by itself counts more than what the operator can mend, and that more than what stays. */
function hopeOf({ code }: UpstreamError): number {
  return ['DENIED', 'CREDENTIALS_REFUSED', 'RATE_LIMITED'].indexOf(code);
}
