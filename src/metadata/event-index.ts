import type { Digest } from '../oci/digest.ts';
import type { HybridTime } from '../util/hybrid-clock.ts';

/** Something that happened to a repository; the log that replication and webhooks read by cursor. */
export interface RegistryEvent {
  /** Ever greater, never given twice. */
  readonly sequence: number;
  readonly atMs: number;
  /**
   * `push`: a client pushed a manifest. `fill`: a manifest came from an upstream. `tag`: a tag points at another manifest
   * than before, or is new. `untag`: a tag was deleted. `delete`: a manifest was deleted. `blob`: a client pushed or
   * mounted a blob.
   */
  readonly kind: 'push' | 'fill' | 'tag' | 'untag' | 'delete' | 'blob';
  readonly repository: string;
  /** Of `untag`: what the tag pointed at. */
  readonly digest: Digest;
  /** Of `push`: the tag that it came by, the first of several. */
  readonly tag: string | undefined;
  readonly mediaType: string | undefined;
  readonly sizeBytes: number | undefined;
  /** What the tag pointed at before. */
  readonly previous: Digest | undefined;
  /** Who did it: a principal's name; undefined for an upstream's doing. */
  readonly actor: string | undefined;
  /** The site where it happened first and its number there, if it arrived by replication. */
  readonly origin: { readonly site: string; readonly sequence: number } | undefined;
}

/** Who causes a change, for the event log. */
export interface Cause {
  readonly actor: string | undefined;
  /** What arrives by replication. Of two changes of a tag the later one counts, whatever the order in which they arrive. */
  readonly origin?: Origin;
}

/** The change of another site that is repeated here. */
export interface Origin {
  readonly site: string;
  readonly sequence: number;
  /** When the tag was changed there; absent: it counts as a change of now. */
  readonly clock?: HybridTime;
  /** What the tag pointed at before that site changed it, as often as it did so on its own. */
  readonly base?: Digest;
  /** Both sites have the tag from an upstream: that they saw it move at different times is no conflict. */
  readonly isShared?: boolean;
}

/** The event log. */
export interface EventIndex {
  /** Those after that number, in order, so many at most. */
  readEvents(after: number, limit: number): Promise<RegistryEvent[]>;
  /** The number of the newest event ever written, 0 at first. */
  lastEvent(): Promise<number>;
  /**
   * Forgets the oldest events, up to the first that is not older than that, so many at most. @returns how many went:
   * fewer than `limit` is all
   */
  trimEvents(upTo: { beforeMs: number }, limit: number): Promise<number>;
  /** Puts these in the place of the log, for an index that is built anew: new ones get numbers above them and `last`. */
  restoreEvents(events: readonly RegistryEvent[], last: number): Promise<void>;
  /** Calls back soon after events were written; perhaps once for several. */
  onEvents(listener: () => void): Disposable;
}
