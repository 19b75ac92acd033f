import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { HybridTime } from '../util/hybrid-clock.ts';
import type { FetchedManifest, ManifestHead } from './upstream.ts';

/** Bytes wait here for their turn before they are sent. */
export interface Pace {
  /** Resolves when so many bytes may go, or at once when the signal fires. */
  take(bytes: number, signal?: AbortSignal): Promise<void>;
}

export interface PeerCallOptions {
  /** When it fires the call ends at once, with an UpstreamError `TIMEOUT` whose cause is the signal's reason. */
  readonly signal?: AbortSignal;
  /** For all bytes that are sent: requests' headers, manifests, blobs. */
  readonly pace?: Pace;
}

/** Which change of a tag is passed on, as another entrepot has to know it; any other registry passes it over. */
export interface PushOrigin {
  /** The site where the tag was moved or deleted. */
  readonly site: string;
  /** The number of the event there. */
  readonly sequence: number;
  readonly clock: HybridTime;
  /** What the tag pointed at there before that site changed it; absent: nothing. */
  readonly base?: Digest;
}

/** A manifest that a peer took. */
export interface TakenManifest {
  /** The peer's tag points at this one still, or stays deleted, because that was done later. */
  readonly kept?: Digest | 'deleted';
  /** The manifest's subject, where the peer has the referrers API (`OCI-Subject`). */
  readonly subject?: Digest;
}

/** A blob to be sent. */
export interface BlobToPush {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /**
   * Its bytes from there on, in pieces that nobody writes to again. May be called several times; a reading that is given up
   * is returned from.
   */
  read(startBytes: number): AsyncIterable<Uint8Array>;
  /** Where an earlier try may go on, as {@link BlobToPush.onSession} was told. */
  readonly session?: string;
  /**
   * To be kept for the next try, until it resolves nothing is sent; undefined: there is nothing to go on with. Of small
   * blobs it is not told, and not when the blob is there.
   */
  onSession(session: string | undefined): Promise<void>;
  /** Bytes of the blob that were handed to the network. */
  onSent(bytes: number): void;
}

/** Reading what a peer has itself, not what it could pull. `path` is the repository's name there. */
interface PeerReading {
  /** Is it there, and does it know us? @returns the site's name, if it is an entrepot */
  ping(options?: PeerCallOptions): Promise<{ readonly site: string | undefined }>;
  /** Undefined if it is not there. */
  headManifest(path: string, reference: Reference, options?: PeerCallOptions): Promise<ManifestHead | undefined>;
  /** Undefined if it is not there. */
  getManifest(path: string, reference: Reference, options?: PeerCallOptions): Promise<FetchedManifest | undefined>;
  hasBlob(path: string, digest: Digest, options?: PeerCallOptions): Promise<boolean>;
  /** None if the repository is not there. */
  listTags(path: string, options?: PeerCallOptions): Promise<readonly string[]>;
}

/** Changing what a peer has (distribution-spec, "Push", "Content Management"). */
interface PeerWriting {
  /** @param from a repository there that has it; undefined: any @returns false: it has to be sent */
  mountBlob(path: string, digest: Digest, from: string | undefined, options?: PeerCallOptions): Promise<boolean>;
  /** Sends a blob, or the rest of it. When it throws, the session that {@link BlobToPush.onSession} was told is good for more. */
  pushBlob(path: string, blob: BlobToPush, options?: PeerCallOptions): Promise<void>;
  putManifest(
    path: string,
    reference: Reference,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    options?: PeerCallOptions & { readonly origin?: PushOrigin },
  ): Promise<TakenManifest>;
  /** @returns `kept`: the peer's tag stays, because it was set later */
  deleteManifest(
    path: string,
    reference: Reference,
    options?: PeerCallOptions & { readonly origin?: PushOrigin },
  ): Promise<'deleted' | 'absent' | 'kept'>;
}

/**
 * Another site, or any registry, that we push to. All methods throw UpstreamError and nothing else, but for what
 * {@link BlobToPush} throws by itself: `REFUSED` is for what the peer understood and will not take, with its own code as
 * `reason` and its own words in the message.
 */
export interface Peer extends PeerReading, PeerWriting, AsyncDisposable {
  /** The configured name. */
  readonly name: string;
}
