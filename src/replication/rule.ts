/** When a rule is at work. */
type RuleTrigger =
  | { readonly type: 'event' | 'manual' }
  /** A cron expression of five fields, in the host's time zone. */
  | { readonly type: 'schedule'; readonly schedule: string };

/** A part of the day in the host's time zone, in minutes after midnight; an end before the start is on the next day. */
export interface TimeWindow {
  readonly startMinute: number;
  readonly endMinute: number;
}

/** What is sent to which peers. */
export interface ReplicationRule {
  readonly name: string;
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Globs, `semver:<range>` or `regex:<pattern>`; see oci/tag-pattern.ts. */
  readonly tags: readonly string[];
  /** Of an index only these children's content is sent; empty: all. */
  readonly platforms: readonly string[];
  /** Globs of artifact types, `image` for container images; empty: all. */
  readonly artifactTypes: readonly string[];
  /** Names of peers. */
  readonly to: readonly string[];
  readonly trigger: RuleTrigger;
  /** The repository's name at the peer: `{repository}` is its name here. */
  readonly as: string;
  /** Are deletions passed on? */
  readonly deletes: boolean;
  /** A deletion waits so long before it is passed on. */
  readonly graceMs: number;
  /** The part of the rule's tags, 0 to 1, beyond which deletions wait for an operator. */
  readonly maxDelete: number;
  /** Greater ones go first. */
  readonly priority: number;
  readonly bandwidthBytesPerSecond?: number;
  /** Nothing is sent outside of these; empty: always. */
  readonly only: readonly TimeWindow[];
  /** A scheduled run fetches from upstreams first what is missing here. */
  readonly fetch: boolean;
  /** When both sides are compared and differences are repaired; undefined: never. */
  readonly check: string | undefined;
}

/** A peer as the engine needs it, beside the client. */
export interface PeerLimits {
  readonly name: string;
  /** The site's own name: what came from there is not sent back. */
  readonly site: string;
  /** Jobs at the same time. */
  readonly maxJobs: number;
  /** Blobs at the same time, over all jobs. */
  readonly maxConnections: number;
  readonly bandwidthBytesPerSecond?: number;
  readonly only: readonly TimeWindow[];
}
