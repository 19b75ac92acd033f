import { digestOf, matchesDigest, type Digest } from '../../../src/oci/digest.ts';
import { parseManifest, type ParsedManifest } from '../../../src/oci/manifest.ts';
import { isForeignLayerType } from '../../../src/oci/media-types.ts';
import { referenceText, type Reference } from '../../../src/oci/reference.ts';
import type { BlobToPush, Peer, PeerCallOptions, PushOrigin, TakenManifest } from '../../../src/upstream/peer.ts';
import { UpstreamError } from '../../../src/upstream/upstream-error.ts';
import type { FetchedManifest, ManifestHead } from '../../../src/upstream/upstream.ts';

export interface StrictPeerOptions {
  readonly name?: string;
  /** Its name, if it is an entrepot: then it mounts from anywhere, takes sparse indexes and lists referrers. */
  readonly site?: string;
  /** Does it take an index without all its children? */
  readonly takesSparse?: boolean;
  readonly hasReferrersApi?: boolean;
  readonly mounts?: boolean;
  readonly deletesTags?: boolean;
}

type Manifest = { readonly bytes: Uint8Array; readonly mediaType: string };

/** A repository of the peer. */
interface There {
  readonly blobs: Set<Digest>;
  readonly manifests: Map<Digest, Manifest>;
  readonly tags: Map<string, Digest>;
}

/**
 * A registry in memory that refuses a manifest whose content it does not have, and a blob with the wrong bytes. It counts
 * what it is sent and notes what it is asked.
 */
export class StrictPeer implements Peer {
  readonly name: string;
  /** Such as `put team/app v1`. */
  readonly asked: string[] = [];
  /** What each request waits for, or fails with. */
  before: (question: string) => Promise<void> | void = () => undefined;
  /** A blob breaks off once when so many of its bytes have come. */
  readonly breaks = new Map<Digest, number>();
  /** What came with the last put of a manifest, or its deletion: by path and reference. */
  readonly origins = new Map<string, PushOrigin | undefined>();
  /** A tag that was set later at the peer: it stays. */
  readonly laterTags = new Set<string>();
  receivedBlobBytes = 0;
  receivedManifestBytes = 0;
  /** Blobs that were on their way at once. */
  mostAtOnce = 0;
  #atOnce = 0;
  #uploads = 0;
  readonly #options: Required<Omit<StrictPeerOptions, 'name' | 'site'>> & { site: string | undefined };
  readonly #content = new Map<Digest, Uint8Array>();
  readonly #repositories = new Map<string, There>();
  readonly #sessions = new Map<string, Buffer>();

  constructor({ name = 'us-east', site, ...options }: StrictPeerOptions = {}) {
    this.name = name;
    const isEntrepot = site !== undefined;
    this.#options = {
      site,
      takesSparse: isEntrepot,
      hasReferrersApi: isEntrepot,
      mounts: true,
      deletesTags: true,
      ...options,
    };
  }

  get receivedBytes(): number {
    return this.receivedBlobBytes + this.receivedManifestBytes;
  }

  /** What a repository has. */
  at(path: string): There {
    const there = this.#repositories.get(path) ?? { blobs: new Set(), manifests: new Map(), tags: new Map() };
    this.#repositories.set(path, there);
    return there;
  }

  /** A manifest's document. @param tag what points at it */
  json(path: string, tag: string): unknown {
    const { tags, manifests } = this.at(path);
    const found = manifests.get(tags.get(tag) ?? ('' as Digest));
    return found && JSON.parse(Buffer.from(found.bytes).toString());
  }

  /** Answers like a registry that will not have it. */
  refuse(status: number, reason: string): never {
    throw this.#refused(status, reason, 'the test says so');
  }

  count(pattern: RegExp): number {
    return this.asked.filter((question) => pattern.test(question)).length;
  }

  async ping(): Promise<{ site: string | undefined }> {
    await this.#ask('ping');
    return { site: this.#options.site };
  }

  async headManifest(path: string, reference: Reference, options?: PeerCallOptions): Promise<ManifestHead | undefined> {
    await this.#ask(`head ${path} ${referenceText(reference)}`, options);
    const digest = this.#resolve(path, reference);
    const found = digest && this.at(path).manifests.get(digest);
    return found && { digest, mediaType: found.mediaType, sizeBytes: found.bytes.length };
  }

  async getManifest(path: string, reference: Reference): Promise<FetchedManifest | undefined> {
    await this.#ask(`get ${path} ${referenceText(reference)}`);
    const digest = this.#resolve(path, reference);
    const found = digest && this.at(path).manifests.get(digest);
    return found && { ...found, digest };
  }

  async hasBlob(path: string, digest: Digest, options?: PeerCallOptions): Promise<boolean> {
    await this.#ask(`blob ${path} ${digest}`, options);
    return this.at(path).blobs.has(digest);
  }

  async listTags(path: string): Promise<readonly string[]> {
    await this.#ask(`tags ${path}`);
    return [...this.at(path).tags.keys()].toSorted();
  }

  async mountBlob(path: string, digest: Digest, from: string | undefined): Promise<boolean> {
    await this.#ask(`mount ${path} ${digest} ${from}`);
    if (!this.#options.mounts) return false;
    if (from === undefined && this.#options.site === undefined) throw new Error('mounted from nowhere');
    const holders = from === undefined ? [...this.#repositories.keys()] : [from];
    if (!holders.some((holder) => this.at(holder).blobs.has(digest))) return false;
    this.at(path).blobs.add(digest);
    return true;
  }

  async pushBlob(path: string, blob: BlobToPush, options: PeerCallOptions = {}): Promise<void> {
    await this.#ask(`push ${path} ${blob.digest}`, options);
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    try {
      const bytes = await this.#receive(blob, options);
      if (!matchesDigest(bytes, blob.digest)) throw this.#refused(400, 'DIGEST_INVALID', 'other bytes');
      this.#content.set(blob.digest, bytes);
      this.at(path).blobs.add(blob.digest);
    } finally {
      this.#atOnce -= 1;
    }
  }

  async putManifest(
    path: string,
    reference: Reference,
    manifest: Manifest,
    options: PeerCallOptions & { origin?: PushOrigin } = {},
  ): Promise<TakenManifest> {
    const text = referenceText(reference);
    await this.#ask(`put ${path} ${text}`, options);
    this.receivedManifestBytes += manifest.bytes.length;
    const { mediaType, references } = parseManifest(manifest.bytes, manifest.mediaType);
    const missing = references.find((each) => this.#lacks(path, each));
    if (missing) throw this.#refused(404, 'MANIFEST_BLOB_UNKNOWN', `${text} needs ${missing.digest}`);
    const digest = reference.kind === 'digest' ? reference.digest : digestOf(manifest.bytes);
    if (!matchesDigest(manifest.bytes, digest)) throw this.#refused(400, 'DIGEST_INVALID', 'other bytes');
    const there = this.at(path);
    there.manifests.set(digest, { bytes: Uint8Array.from(manifest.bytes), mediaType });
    this.origins.set(`${path} ${text}`, options.origin);
    const subject = references.find(({ role }) => role === 'subject')?.digest;
    const told = subject && this.#options.hasReferrersApi ? { subject } : {};
    if (reference.kind === 'digest') return told;
    const before = there.tags.get(reference.tag);
    if (before !== undefined && this.laterTags.has(reference.tag)) return { ...told, kept: before };
    there.tags.set(reference.tag, digest);
    return told;
  }

  async deleteManifest(
    path: string,
    reference: Reference,
    options: PeerCallOptions & { origin?: PushOrigin } = {},
  ): Promise<'deleted' | 'absent' | 'kept'> {
    const text = referenceText(reference);
    await this.#ask(`delete ${path} ${text}`, options);
    this.origins.set(`${path} ${text}`, options.origin);
    const there = this.at(path);
    if (reference.kind === 'tag') {
      if (!this.#options.deletesTags) throw this.#refused(405, 'UNSUPPORTED', 'by digest only');
      if (!there.tags.has(reference.tag)) return 'absent';
      if (this.laterTags.has(reference.tag)) return 'kept';
      there.tags.delete(reference.tag);
      return 'deleted';
    }
    // A plain registry deletes all tags of a manifest with it.
    for (const [tag, digest] of there.tags) if (digest === reference.digest) there.tags.delete(tag);
    return there.manifests.delete(reference.digest) ? 'deleted' : 'absent';
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #receive(blob: BlobToPush, { signal, pace }: PeerCallOptions): Promise<Buffer> {
    const session = blob.session !== undefined && this.#sessions.has(blob.session) ? blob.session : this.#newSession();
    await blob.onSession(session);
    let bytes = this.#sessions.get(session) ?? Buffer.alloc(0);
    for await (const piece of blob.read(bytes.length)) {
      await pace?.take(piece.length, signal);
      if (signal?.aborted) throw new UpstreamError('TIMEOUT', this.name, 'given up', { cause: signal.reason });
      blob.onSent(piece.length);
      this.receivedBlobBytes += piece.length;
      bytes = Buffer.concat([bytes, piece]);
      this.#sessions.set(session, bytes);
      const breakBytes = this.breaks.get(blob.digest);
      if (breakBytes === undefined || bytes.length < breakBytes) continue;
      this.breaks.delete(blob.digest);
      throw new UpstreamError('UNREACHABLE', this.name, 'the connection broke');
    }
    this.#sessions.delete(session);
    return bytes;
  }

  #newSession(): string {
    this.#uploads += 1;
    return `upload-${this.#uploads}`;
  }

  #lacks(path: string, { role, digest, mediaType }: ParsedManifest['references'][number]): boolean {
    const { blobs, manifests } = this.at(path);
    if (role === 'subject') return false;
    if (role === 'manifest') return !this.#options.takesSparse && !manifests.has(digest);
    return !isForeignLayerType(mediaType) && !blobs.has(digest);
  }

  #resolve(path: string, reference: Reference): Digest | undefined {
    return reference.kind === 'digest' ? reference.digest : this.at(path).tags.get(reference.tag);
  }

  #refused(status: number, reason: string, message: string): UpstreamError {
    return new UpstreamError('REFUSED', this.name, `${reason}: ${message}`, { status, reason });
  }

  async #ask(question: string, { signal, pace }: PeerCallOptions = {}): Promise<void> {
    this.asked.push(question);
    await pace?.take(question.length, signal);
    await this.before(question);
    if (signal?.aborted) throw new UpstreamError('TIMEOUT', this.name, 'given up', { cause: signal.reason });
  }
}
