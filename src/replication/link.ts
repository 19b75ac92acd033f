import type { ReplicationJob } from '../metadata/replication-index.ts';
import type { Pace, Peer } from '../upstream/peer.ts';
import type { Link as ComparedLink } from './comparing/link.ts';
import { LinkTally } from './link-tally.ts';
import type { LinkName } from './pauses.ts';
import type { Pausing } from './pausing.ts';
import type { PeerLimits, ReplicationRule } from './rule.ts';
import { isWithin, nextChange } from './time-window.ts';

/** What became of a job after a try. `broken off`: it was no try, and goes on later. */
export interface JobEnd {
  readonly job: ReplicationJob;
  readonly kind: 'done' | 'retry' | 'parked' | 'held' | 'incomplete' | 'broken off';
  /** Why it is not done. */
  readonly error: string | undefined;
}

export interface LinkOptions {
  readonly rule: ReplicationRule;
  readonly limits: PeerLimits;
  readonly client: Peer;
  /** For all that the rule sends to the peer. */
  readonly pace: Pace;
  readonly pausing: Pausing;
}

/** One rule and one of its peers: when it may send, and what became of it. */
export class Link implements ComparedLink {
  readonly rule: ReplicationRule;
  readonly peer: Peer;
  readonly limits: PeerLimits;
  readonly pace: Pace;
  readonly name: LinkName;
  readonly tally = new LinkTally();
  readonly #pausing: Pausing;
  readonly #followers = new Set<(end: JobEnd) => void>();
  #exemptions = 0;

  constructor({ rule, limits, client, pace, pausing }: LinkOptions) {
    this.rule = rule;
    this.peer = client;
    this.limits = limits;
    this.pace = pace;
    this.name = { rule: rule.name, peer: limits.name };
    this.#pausing = pausing;
  }

  get isPaused(): boolean {
    return this.#pausing.isPaused(this.name);
  }

  /** May anything be sent at that time? */
  isOpen(nowMs: number): boolean {
    return !this.isPaused && (this.#exemptions > 0 || this.isInWindow(nowMs));
  }

  isInWindow(nowMs: number): boolean {
    return isWithin(this.rule.only, nowMs) && isWithin(this.limits.only, nowMs);
  }

  /** When windows open or close next; undefined: never. */
  nextChange(nowMs: number): number | undefined {
    const changes = [nextChange(this.rule.only, nowMs), nextChange(this.limits.only, nowMs)];
    return changes.filter((change) => change !== undefined).sort((one, other) => one - other)[0];
  }

  /** Until it is disposed of, windows do not count. */
  exempt(): Disposable {
    this.#exemptions += 1;
    return { [Symbol.dispose]: () => (this.#exemptions -= 1) };
  }

  /** Tells what becomes of the link's jobs, until it is disposed of. */
  follow(follower: (end: JobEnd) => void): Disposable {
    this.#followers.add(follower);
    return { [Symbol.dispose]: () => this.#followers.delete(follower) };
  }

  ended(end: JobEnd): void {
    for (const follower of this.#followers) follower(end);
  }
}
