import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { ReplicationHeader } from '../util/replication-header.ts';

/** What an upstream says of a manifest without sending it. Each field may be missing in a real answer. */
export interface ManifestHead {
  readonly digest: Digest | undefined;
  readonly mediaType: string | undefined;
  readonly sizeBytes: number | undefined;
  /** See {@link FetchedManifest.ageMs}. */
  readonly ageMs?: number;
  /** Of a tag at another site, to who replicates to it: the change that set it. */
  readonly origin?: ReplicationHeader;
}

/** A manifest as it came, verified against its digest. */
export interface FetchedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** From the store of another site: how long ago the upstream told that one where the tag points (`Age`). */
  readonly ageMs?: number;
}

/** Part of a blob on its way from an upstream. Dispose it to drop what has not come yet. */
export interface BlobStream extends AsyncDisposable {
  /** Offset of the first byte: 0 whatever was asked for, when the upstream ignores Range. */
  readonly startBytes: number;
  /** Size of the whole blob; undefined when the upstream does not tell. */
  readonly totalBytes: number | undefined;
  /** Did the upstream honour Range (206)? */
  readonly isPartial: boolean;
  /** Ends after the promised bytes; throws an UpstreamError when the connection breaks, stalls or ends early. */
  readonly body: AsyncIterable<Uint8Array>;
  /** A chunk of the body is not needed any more, and something else may be written in its place. Nobody has to call this. */
  recycle(chunk: Uint8Array): void;
}

/** First byte and the byte after the last one that are wanted; no end: up to the end of the blob. */
export interface BlobRange {
  readonly startBytes: number;
  readonly endBytes?: number;
}

/** What a request is for, most important first: where an upstream's limits run short, the last ones yield. */
export type Purpose = 'miss' | 'revalidation' | 'warm' | 'readAhead';

export interface CallOptions {
  /** Default `miss`. A function is asked anew whenever it counts: a client may join what began without one. */
  readonly purpose?: Purpose | (() => Purpose);
  /** When it fires the call ends at once, with an UpstreamError `TIMEOUT` whose cause is the signal's reason. */
  readonly signal?: AbortSignal;
  /** Of a tag or a list: when the upstream last told it. What another site was told before that is no answer. */
  readonly validatedAtMs?: number;
  /** Only what it has in its store; NOT_FOUND for the rest. For a registry that is itself a mirror (RFC 9111 5.2.1.7). */
  readonly onlyIfCached?: boolean;
}

export interface BlobCallOptions extends CallOptions {
  /** What a descriptor says of the whole blob: what has another size elsewhere is not this blob. */
  readonly sizeBytes?: number | undefined;
}

/** A registry that we pull through: reading manifests. `path` is the repository's name at that registry. */
interface ManifestSource {
  /** HEAD, which costs nothing of a pull quota. */
  headManifest(path: string, reference: Reference, options?: CallOptions): Promise<ManifestHead>;
  /** GET; the bytes match `digest`, and they match the reference if that is a digest. */
  getManifest(path: string, reference: Reference, options?: CallOptions): Promise<FetchedManifest>;
}

/** A registry that we pull through: reading blobs. */
export interface BlobSource {
  /** Is the blob in that repository, and how large is it? Size is undefined where the upstream does not tell. */
  headBlob(path: string, digest: Digest, options?: CallOptions): Promise<{ readonly sizeBytes: number | undefined }>;
  /** Starts the download of a blob or of a part of it. */
  getBlob(path: string, digest: Digest, range: BlobRange | undefined, options?: BlobCallOptions): Promise<BlobStream>;
  /** What came for the digest has another digest: a source that is made of several asks others for it from now on. */
  distrust?(path: string, digest: Digest): void;
}

/** A registry that we pull through: listing. */
interface ListingSource {
  /** All tags, in the upstream's order, gathered over its pages. */
  listTags(path: string, options?: CallOptions): Promise<readonly string[]>;
  /** The referrers index of a digest as JSON bytes; undefined when the upstream has no referrers API. */
  listReferrers(path: string, digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined>;
}

/** One of an upstream's credentials, or anonymous access, and what is left of its pull rate limit. */
export interface AccountReport {
  /** The user's name, `<token>` where there is only an identity token; undefined: anonymous. Never a secret. */
  readonly username: string | undefined;
  /** What the upstream last told (`ratelimit-limit`, `ratelimit-remaining`); undefined: no limit that we know of. */
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
  /** For so long nothing is asked of it, after 429; 0: it may be asked. */
  readonly blockedForMs: number;
}

/** A site that is asked beside an upstream. */
export interface SiblingReport {
  readonly name: string;
  readonly isBreakerOpen: boolean;
}

/** How an upstream is at the moment. */
export interface UpstreamReport {
  readonly isBreakerOpen: boolean;
  readonly accounts: readonly AccountReport[];
  /** Absent: there are none. */
  readonly siblings?: readonly SiblingReport[];
}

/** An account that an earlier run was told to leave alone: the one at that position of the report, if it has that name still. */
export interface AccountBlock extends Pick<AccountReport, 'username' | 'blockedForMs'> {
  readonly position: number;
}

/** An upstream: a configured registry that we pull through. All methods throw UpstreamError and nothing else. */
export interface Upstream extends ManifestSource, BlobSource, ListingSource, AsyncDisposable {
  /** The configured name, such as `docker.io`. */
  readonly name: string;
  report(): UpstreamReport;
  /** Takes up what an earlier run reported: asks nothing for so long by these accounts, six hours at most. */
  leaveAlone(blocks: readonly AccountBlock[]): void;
  /** Would a request for this be sent now? Not while the breaker or a rate limit holds it back. */
  mayAsk(purpose: Purpose): boolean;
}
