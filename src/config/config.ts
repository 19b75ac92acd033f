import type { Secret } from '../util/secret.ts';

/** Where a listener binds. No host: all interfaces. Port 0: the system picks one. IPv6 addresses have no brackets. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** PEM files, as absolute paths. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** The CA certificates of which every client must have one; absent: clients need none. */
  readonly clientCaFile?: string;
}

/** The mirror's door. */
export interface ServerConfig {
  readonly listen: ListenAddress;
  readonly tls?: TlsConfig;
  /** How long running requests may go on after the first signal. */
  readonly drainTimeoutMs: number;
}

/** The registry's door. */
export interface RegistryConfig {
  readonly listen: ListenAddress;
  readonly tls?: TlsConfig;
  /** What clients call it, where something stands in front: http or https, path `/`. */
  readonly url?: URL;
}

/** Metrics and the API for operators. */
export interface AdminConfig {
  readonly listen: ListenAddress;
  readonly tls?: TlsConfig;
  /** What the API demands; beyond loopback there must be one. */
  readonly token?: Secret;
}

interface LogConfig {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** `auto`: readable on a terminal, JSON lines everywhere else. */
  readonly format: 'auto' | 'json' | 'pretty';
}

export interface StorageConfig {
  /** The data directory, absolute. */
  readonly path: string;
  /** What the content may take in all; absent: what the disk has. */
  readonly quotaBytes?: number;
  /** What stays free on the disk whatever the quota says. */
  readonly minFreeBytes: number;
  /** Eviction goes on until so much of the quota is in use: more than 0, at most 1. */
  readonly lowWatermark: number;
}

/** Checking stored content in the background. */
export interface ScrubConfig {
  /** A full round takes this long at least; Infinity: never. */
  readonly everyMs: number;
  readonly bytesPerSecond: number;
}

/** Images that are fetched before anyone asks. */
interface WarmConfig {
  /** Names of images; the tag may be a pattern: `docker.io/library/debian:12*`. */
  readonly images: readonly string[];
  /** Such as `linux/amd64`; empty: all. */
  readonly platforms: readonly string[];
  /** A cron expression of five fields, in the host's time zone. */
  readonly schedule: string;
}

/** What a tag of some repositories of an upstream is good for. What is not given is as the upstream has it. */
export interface RuleConfig {
  /** Globs of repositories, in full or as the upstream names them. */
  readonly repositories: readonly string[];
  readonly freshForMs?: number;
  readonly staleWhileRevalidateMs?: number;
  readonly staleIfErrorMs?: number;
  /** Globs of tags that never move. */
  readonly immutable?: readonly string[];
  readonly onUpstreamDelete?: 'keep' | 'drop';
}

/** How we log in at a registry: with a password, or with the refresh token that `docker login` may leave. */
export type CredentialsConfig =
  | { readonly type: 'basic'; readonly username: string; readonly password: Secret }
  | { readonly type: 'identityToken'; readonly token: Secret };

interface UpstreamTimeouts {
  readonly connectMs: number;
  /** From the request to the end of the answer's headers. */
  readonly headersMs: number;
  /** The longest pause between two pieces of a body. */
  readonly stallMs: number;
}

/** A registry that we pull through. */
export interface UpstreamConfig {
  /** The name clients use, lower case: `docker.io`, `registry.example.com:5000`. Docker Hub's aliases are `docker.io`. */
  readonly name: string;
  /** Where its API is: http or https, path `/`, without user, query and fragment. */
  readonly url: URL;
  /** Serves requests that name no upstream. At most one upstream is the default. */
  readonly isDefault: boolean;
  /** Those that share the load; none: anonymous. */
  readonly credentials: readonly CredentialsConfig[];
  /** The part of the upstream's pull rate limit that is kept for what clients wait for: 0 to 1. */
  readonly rateReserve: number;
  /** What this upstream's content may take; absent: no limit of its own. */
  readonly quotaBytes?: number;
  /** It is never asked for anything. */
  readonly offline: boolean;
  /** Globs of repositories that may be pulled; empty: all. */
  readonly allow: readonly string[];
  /** Globs of repositories that may not be pulled. */
  readonly deny: readonly string[];
  /** Globs of tags that never move: once here, they are never asked about. */
  readonly immutable: readonly string[];
  /** What happens to a cached tag that the upstream no longer has. */
  readonly onUpstreamDelete: 'keep' | 'drop';
  /** The first one that matches a repository counts. */
  readonly rules: readonly RuleConfig[];
  /** A tag younger than this is served without asking upstream. May be Infinity. */
  readonly freshForMs: number;
  /** How long past `freshForMs` a tag is served at once while it is revalidated. May be Infinity. */
  readonly staleWhileRevalidateMs: number;
  /** How long a stale tag may be served when upstream fails. May be Infinity. */
  readonly staleIfErrorMs: number;
  readonly maxConnections: number;
  /** URL of an HTTP(S) proxy; it may hold a user and a password. */
  readonly proxy?: Secret;
  /** PEM file with the CA certificates to trust, absolute. */
  readonly caFile?: string;
  /**
   * Hosts that redirects and token realms may lead to though their address is private. Lower case; `host`, `host:port`,
   * `*.example.com`; IPv6 addresses stand in brackets as in a URL.
   */
  readonly allowHosts: readonly string[];
  readonly timeouts: UpstreamTimeouts;
  /** How often a failed request is tried again. */
  readonly retries: number;
  /** Peers that are asked before the upstream. */
  readonly siblings: readonly string[];
}

export interface PullConfig {
  /** Fetch a manifest's layers before they are asked for. */
  readonly readAhead: boolean;
  readonly manifestLimitBytes: number;
  /** How long an upstream's 404 is remembered. */
  readonly notFoundForMs: number;
  /** Memory for manifests that are asked for often. */
  readonly hotManifestBytes: number;
  /** The most upstream connections of one fill. */
  readonly fillConnections: number;
}

type Action = 'pull' | 'push' | 'delete' | 'replicate';

/** One rule of who may do what where. At least one of `may` and `mayNot` has something in it. */
export interface PolicyRuleConfig {
  /** Names of users; `authenticated` is whoever logged in, `anonymous` everyone. */
  readonly who: readonly string[];
  readonly may: readonly Action[];
  readonly mayNot: readonly Action[];
  /** Globs of repositories. */
  readonly in: readonly string[];
}

export interface AccessConfig {
  readonly htpasswdFile?: string;
  /** The first rule that matches counts, and without one the answer is no. Absent: everyone may pull, and nothing else. */
  readonly policy?: readonly PolicyRuleConfig[];
  /** Where the audit log goes: an absolute path, or `stdout`. */
  readonly auditFile?: string;
}

/** Which tags stay when the others go: those that any of these keeps. */
export interface RetentionConfig {
  /** So many of each repository: those that were pushed last. */
  readonly keepLast?: number;
  /** Globs of tags. */
  readonly keepTags?: readonly string[];
  readonly keepPulledWithinMs?: number;
  readonly keepYoungerThanMs?: number;
}

/** What holds for some hosted repositories. */
export interface HostedRuleConfig {
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Globs of tags that are never moved or deleted. */
  readonly immutable: readonly string[];
  /** May clients delete manifests, tags and blobs? */
  readonly deletes: boolean;
  /** May a manifest name content that is not here? */
  readonly sparse: boolean;
  /** Peers that are asked for what is not here. */
  readonly siblings: readonly string[];
  /** Absent: all tags stay. */
  readonly retention?: RetentionConfig;
}

/** Pushes that have begun. */
interface UploadsConfig {
  /** One that nothing was added to for so long is thrown away. */
  readonly expireMs: number;
}

/** The log of events, which replication and webhooks read. */
interface EventsConfig {
  /** May be Infinity. */
  readonly keepMs: number;
}

type EventKind = 'push' | 'fill' | 'tag' | 'untag' | 'delete' | 'blob';

/** A server that is told what happened. */
export interface WebhookConfig {
  readonly name: string;
  /** http or https; without user and fragment. */
  readonly url: URL;
  /** CloudEvents, or the notifications of the distribution registry. */
  readonly format: 'cloudevents' | 'distribution';
  readonly events: readonly EventKind[];
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Sent as a bearer token. */
  readonly token?: Secret;
  /** Signs each body. */
  readonly secret?: Secret;
  /** How long one delivery may take. */
  readonly timeoutMs: number;
}

/** A part of the day in the host's time zone, in minutes after midnight; an end before the start is on the next day. */
export interface TimeWindowConfig {
  readonly startMinute: number;
  readonly endMinute: number;
}

/** Another site or registry that we push to, and that upstreams may name as a sibling. */
export interface PeerConfig {
  readonly name: string;
  /** The `site` of a peer that is an entrepot: what came from there is not sent back. */
  readonly site: string;
  readonly url: URL;
  readonly credentials?: CredentialsConfig;
  /** Jobs at the same time. */
  readonly maxJobs: number;
  /** Blobs at the same time. */
  readonly maxConnections: number;
  readonly bandwidthBytesPerSecond?: number;
  /** Nothing is sent outside of these; empty: always. */
  readonly only: readonly TimeWindowConfig[];
  /** Blobs are sent in pieces of so many bytes; absent: whole. */
  readonly chunkBytes?: number;
  /** URL of an HTTP(S) proxy; it may hold a user and a password. */
  readonly proxy?: Secret;
  /** PEM file with the CA certificates to trust, absolute. */
  readonly caFile?: string;
  /** As upstreams have them. */
  readonly allowHosts: readonly string[];
  readonly timeouts: UpstreamTimeouts;
}

export type ReplicationTrigger =
  | { readonly type: 'event' | 'manual' }
  /** A cron expression of five fields. */
  | { readonly type: 'schedule'; readonly schedule: string };

/** What is copied to which peers, and when. */
export interface ReplicationRuleConfig {
  readonly name: string;
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Globs of tags, `semver:<range>`, `regex:<expression>`. */
  readonly tags: readonly string[];
  /** Such as `linux/amd64`; empty: all. */
  readonly platforms: readonly string[];
  /** Globs of artifact types, `image` for container images; empty: all. */
  readonly artifactTypes: readonly string[];
  /** Names of peers. */
  readonly to: readonly string[];
  readonly trigger: ReplicationTrigger;
  /** The repository's name at the peer; `{repository}` stands for its name here. */
  readonly as: string;
  /** Are deletions carried over? */
  readonly deletes: boolean;
  /** A deletion waits so long. */
  readonly graceMs: number;
  /** The part of the rule's tags, 0 to 1, beyond which deletions wait for an operator. */
  readonly maxDelete: number;
  /** Greater ones go first. */
  readonly priority: number;
  readonly bandwidthBytesPerSecond?: number;
  /** Nothing is sent outside of these; empty: always. */
  readonly only: readonly TimeWindowConfig[];
  /** Is what is missing here fetched from the upstream first? */
  readonly fetch: boolean;
  /** When both sides are compared: a cron expression; undefined: never. */
  readonly check: string | undefined;
}

/** The whole configuration in its final shape: resolved, checked and frozen. */
export interface Config {
  /** This deployment's name, on events and metrics. */
  readonly site: string;
  readonly server: ServerConfig;
  readonly admin: AdminConfig;
  readonly scrub: ScrubConfig;
  readonly warm: readonly WarmConfig[];
  readonly registry?: RegistryConfig;
  readonly log: LogConfig;
  readonly storage: StorageConfig;
  readonly upstreams: readonly UpstreamConfig[];
  readonly pull: PullConfig;
  /** Namespaces that are pushed here. */
  readonly hosted: readonly string[];
  /** The first one that matches a hosted repository counts. */
  readonly hostedRules: readonly HostedRuleConfig[];
  /** When retention runs: a cron expression of five fields, in the host's time zone. */
  readonly retentionSchedule: string;
  readonly uploads: UploadsConfig;
  readonly events: EventsConfig;
  readonly webhooks: readonly WebhookConfig[];
  /** Globs of images that are never evicted. */
  readonly pins: readonly string[];
  readonly access?: AccessConfig;
  readonly peers: readonly PeerConfig[];
  readonly replication: readonly ReplicationRuleConfig[];
}
