import type { IncomingMessage } from 'node:http';
import type { Digest } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { ManifestAnswer } from '../registry/manifest-answer.ts';
import type { BlobInfo } from '../registry/open-blob.ts';
import type { ContentBringer } from '../registry/pushing/hosted-manifests.ts';
import type { Registry } from '../registry/registry.ts';
import { isOnlyIfCached, NOT_CACHED_STATUS } from '../util/only-if-cached.ts';
import { SITE_HEADER } from '../util/replication-header.ts';
import type { Answer } from './answer.ts';
import { BLOB_CONTENT_TYPE, blobAnswer } from './blob-answer.ts';
import { firstOffset, parseRange } from './byte-range.ts';
import { cacheHeaders } from './cache-headers.ts';
import type { DistributionRequest } from './distribution-path.ts';
import { errorAnswer } from './error-answer.ts';
import { jsonAnswer } from './json-answer.ts';
import { linkTo, pageOf } from './list-page.ts';
import { originHeaders } from './replication-origin.ts';
import { pathWithin, type Target } from './target.ts';

type RequestOf<Kind> = Extract<DistributionRequest, { kind: Kind }>;

const GATEWAY_TIMEOUT = 504;

/** What can be pulled, and what can be listed, of one repository (distribution-spec, "Pull", "Content Discovery"). */
export class ReadApi {
  readonly #registry: Registry;
  readonly #site: string;

  /** @param site its name, which other sites are told */
  constructor(registry: Registry, site: string) {
    this.#registry = registry;
    this.#site = site;
  }

  /** @throws RegistryError */
  answer(
    request: RequestOf<'manifest' | 'blob' | 'tags' | 'referrers'>,
    target: Target,
    message: IncomingMessage,
  ): Promise<Answer> {
    switch (request.kind) {
      case 'manifest':
        return this.#manifest(request, target, message);
      case 'blob':
        return message.method === 'HEAD'
          ? this.#headBlob(request, target, message)
          : this.#blob(request, target, message);
      case 'tags':
        return this.#tags(request, target, message);
      case 'referrers':
        return this.#referrers(request, target, message);
    }
  }

  async #manifest(request: RequestOf<'manifest'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const depth = message.method === 'HEAD' ? 'head' : 'whole';
    const manifest = await this.#findManifest(request, target, message);
    if (!manifest) return notCached(target);
    const etag = `"${manifest.digest}"`;
    const headers = {
      ...target.headers,
      ...cacheHeaders(manifest.outcome, manifest.ageMs),
      ...(await this.#replicaHeaders(request, target, manifest)),
      'Docker-Content-Digest': manifest.digest,
      ETag: etag,
    };
    if (isUnchanged(message, etag)) return { status: 304, headers, outcome: manifest.outcome };
    return {
      status: 200,
      headers: { ...headers, 'Content-Type': manifest.mediaType, 'Content-Length': manifest.sizeBytes },
      outcome: manifest.outcome,
      ...(manifest.bytes && depth === 'whole' ? { body: manifest.bytes } : {}),
    };
  }

  /** Undefined: the client wants it from the store only, which does not have it. */
  async #findManifest(
    { reference }: RequestOf<'manifest'>,
    target: Target,
    message: IncomingMessage,
  ): Promise<ManifestAnswer | undefined> {
    const { manifests, stored } = this.#registry;
    const { repository } = target;
    if (wantsStored(message)) return stored.manifest(repository, reference);
    if (message.method !== 'HEAD') return manifests.get(repository, reference, 'whole');
    const bringer = this.#bringer(target);
    return bringer
      ? manifests.headStored(repository, reference, bringer)
      : manifests.get(repository, reference, 'head');
  }

  /**
   * Who replicates is told that it is known as such, so that what it hears is what is here; and of a tag which change was
   * the last: the same digest may have come by an earlier one.
   */
  async #replicaHeaders(
    { reference }: RequestOf<'manifest'>,
    target: Target,
    { digest }: ManifestAnswer,
  ): Promise<Answer['headers']> {
    if (this.#bringer(target) !== 'replicator') return {};
    const state =
      reference.kind === 'tag' ? await this.#registry.stored.tagState(target.repository, reference.tag) : undefined;
    return { [SITE_HEADER]: this.#site, ...(state?.digest === digest ? originHeaders(state) : {}) };
  }

  async #blob(request: RequestOf<'blob'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const { digest } = request;
    const validators = blobHeaders(digest);
    // That the client has it already is only worth saying to who may have it.
    if (isUnchanged(message, validators.ETag)) return this.#headBlob(request, target, message);
    const ifRange = message.headers['if-range'];
    const range = ifRange === undefined || ifRange === validators.ETag ? message.headers.range : undefined;
    const specs = parseRange(range);
    const { blobs, stored } = this.#registry;
    const { repository } = target;
    const blob = wantsStored(message)
      ? await stored.openBlob(repository, digest)
      : await blobs.open(repository, digest, firstOffset(specs));
    if (!blob) return notCached(target);
    const headers = { ...target.headers, ...cacheHeaders(blob.outcome, blob.ageMs, blob.isShared), ...validators };
    return blobAnswer(blob, specs, headers);
  }

  async #headBlob(request: RequestOf<'blob'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const { digest } = request;
    const info = await this.#findBlob(digest, target, message);
    if (!info) return notCached(target);
    const { sizeBytes, outcome, ageMs } = info;
    const headers = { ...target.headers, ...cacheHeaders(outcome, ageMs), ...blobHeaders(digest) };
    if (isUnchanged(message, blobHeaders(digest).ETag)) return { status: 304, headers, outcome };
    const length = sizeBytes === undefined ? {} : { 'Content-Length': sizeBytes };
    return { status: 200, headers: { ...headers, 'Content-Type': BLOB_CONTENT_TYPE, ...length }, outcome };
  }

  /** Undefined as in {@link #findManifest}. */
  #findBlob(digest: Digest, target: Target, message: IncomingMessage): Promise<BlobInfo | undefined> {
    const { blobs, stored } = this.#registry;
    const { repository } = target;
    if (wantsStored(message)) return stored.headBlob(repository, digest);
    return this.#bringer(target) ? blobs.headStored(repository, digest) : blobs.head(repository, digest);
  }

  async #tags(request: RequestOf<'tags'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const { path, namespace } = request.address;
    const { listings, stored } = this.#registry;
    const list = wantsStored(message) ? await stored.tags(target.repository) : await listings.tags(target.repository);
    if (!list) return notCached(target);
    const { entries, outcome, ageMs } = list;
    const page = pageOf(
      entries,
      request.page,
      `/v2/${path}/tags/list`,
      namespace === undefined ? {} : { ns: namespace },
    );
    const headers = { ...target.headers, ...cacheHeaders(outcome, ageMs), ...(page.link ? { Link: page.link } : {}) };
    return { ...jsonAnswer({ name: path, tags: page.entries }, headers), outcome };
  }

  async #referrers(request: RequestOf<'referrers'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const { artifactType, digest, address, page } = request;
    const { listings, stored } = this.#registry;
    const query = { ...page, artifactType };
    const list = wantsStored(message)
      ? await stored.referrers(target.repository, digest, query)
      : await listings.referrers(target.repository, digest, query);
    if (!list) return notCached(target);
    const { entries, outcome, ageMs, next } = list;
    const parameters = {
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(page.limit === undefined ? {} : { n: String(page.limit) }),
    };
    const headers = {
      ...target.headers,
      ...cacheHeaders(outcome, ageMs),
      ...(artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      ...(next === undefined
        ? {}
        : { Link: linkTo(pathWithin(address, `referrers/${digest}`, { ...parameters, last: next })) }),
    };
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries };
    return { ...jsonAnswer(index, headers, OCI_INDEX), outcome };
  }

  /** Who replicates or pushes asks before each copy: that somebody else has it as well must not keep it from coming. */
  #bringer({ repository, visitor }: Target): ContentBringer | undefined {
    if (!visitor.principal.isAnonymous && visitor.may('replicate', repository.name)) return 'replicator';
    const hasSiblings = this.#registry.upstreams.siblingsOf(repository) !== undefined;
    return hasSiblings && visitor.may('push', repository.name) ? 'pusher' : undefined;
  }
}

/** Does the client want what is in the store, or nothing (RFC 9111 5.2.1.7)? */
function wantsStored({ headers }: IncomingMessage): boolean {
  return isOnlyIfCached(headers['cache-control']);
}

/** What such a client is told of what is not there. */
function notCached({ headers }: Target): Answer {
  const message = 'this is not in the store here, and the client wants it from nowhere else';
  return errorAnswer(GATEWAY_TIMEOUT, 'UNKNOWN', message, { ...headers, 'Cache-Status': NOT_CACHED_STATUS });
}

function blobHeaders(digest: Digest): { 'Docker-Content-Digest': Digest; 'Accept-Ranges': string; ETag: string } {
  return { 'Docker-Content-Digest': digest, 'Accept-Ranges': 'bytes', ETag: `"${digest}"` };
}

function isUnchanged(message: IncomingMessage, etag: string): boolean {
  const header = message.headers['if-none-match'];
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
