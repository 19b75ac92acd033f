import type { IncomingMessage } from 'node:http';
import type { Digest } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Registry } from '../registry/registry.ts';
import type { Answer } from './answer.ts';
import { BLOB_CONTENT_TYPE, blobAnswer } from './blob-answer.ts';
import { firstOffset, parseRange } from './byte-range.ts';
import { cacheHeaders } from './cache-headers.ts';
import type { DistributionRequest } from './distribution-path.ts';
import { jsonAnswer } from './json-answer.ts';
import { linkTo, pageOf } from './list-page.ts';
import { pathWithin, type Target } from './target.ts';

type RequestOf<Kind> = Extract<DistributionRequest, { kind: Kind }>;

/** What can be pulled, and what can be listed, of one repository (distribution-spec, "Pull", "Content Discovery"). */
export class ReadApi {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
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
        return this.#tags(request, target);
      case 'referrers':
        return this.#referrers(request, target);
    }
  }

  async #manifest(request: RequestOf<'manifest'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const depth = message.method === 'HEAD' ? 'head' : 'whole';
    const { manifests } = this.#registry;
    const manifest =
      depth === 'head' && bringsReplicas(target)
        ? await manifests.headStored(target.repository, request.reference)
        : await manifests.get(target.repository, request.reference, depth);
    const etag = `"${manifest.digest}"`;
    const headers = {
      ...target.headers,
      ...cacheHeaders(manifest.outcome, manifest.ageMs),
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

  async #blob(request: RequestOf<'blob'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const { digest } = request;
    const validators = blobHeaders(digest);
    // That the client has it already is only worth saying to who may have it.
    if (isUnchanged(message, validators.ETag)) return this.#headBlob(request, target, message);
    const ifRange = message.headers['if-range'];
    const range = ifRange === undefined || ifRange === validators.ETag ? message.headers.range : undefined;
    const specs = parseRange(range);
    const blob = await this.#registry.blobs.open(target.repository, digest, firstOffset(specs));
    const headers = { ...target.headers, ...cacheHeaders(blob.outcome, blob.ageMs, blob.isShared), ...validators };
    return blobAnswer(blob, specs, headers);
  }

  async #headBlob(request: RequestOf<'blob'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const { digest } = request;
    const { blobs } = this.#registry;
    const { sizeBytes, outcome, ageMs } = bringsReplicas(target)
      ? await blobs.headStored(target.repository, digest)
      : await blobs.head(target.repository, digest);
    const headers = { ...target.headers, ...cacheHeaders(outcome, ageMs), ...blobHeaders(digest) };
    if (isUnchanged(message, blobHeaders(digest).ETag)) return { status: 304, headers, outcome };
    const length = sizeBytes === undefined ? {} : { 'Content-Length': sizeBytes };
    return { status: 200, headers: { ...headers, 'Content-Type': BLOB_CONTENT_TYPE, ...length }, outcome };
  }

  async #tags(request: RequestOf<'tags'>, target: Target): Promise<Answer> {
    const { path, namespace } = request.address;
    const { entries, outcome, ageMs } = await this.#registry.listings.tags(target.repository);
    const page = pageOf(
      entries,
      request.page,
      `/v2/${path}/tags/list`,
      namespace === undefined ? {} : { ns: namespace },
    );
    const headers = { ...target.headers, ...cacheHeaders(outcome, ageMs), ...(page.link ? { Link: page.link } : {}) };
    return { ...jsonAnswer({ name: path, tags: page.entries }, headers), outcome };
  }

  async #referrers(request: RequestOf<'referrers'>, target: Target): Promise<Answer> {
    const { artifactType, digest, address, page } = request;
    const { entries, outcome, ageMs, next } = await this.#registry.listings.referrers(target.repository, digest, {
      ...page,
      artifactType,
    });
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
    const list = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries };
    return { ...jsonAnswer(list, headers, OCI_INDEX), outcome };
  }
}

/** Who replicates asks before each copy: that an upstream has it as well must not keep it from coming. */
function bringsReplicas({ repository, visitor }: Target): boolean {
  return !visitor.principal.isAnonymous && visitor.may('replicate', repository.name);
}

function blobHeaders(digest: Digest): { 'Docker-Content-Digest': Digest; 'Accept-Ranges': string; ETag: string } {
  return { 'Docker-Content-Digest': digest, 'Accept-Ranges': 'bytes', ETag: `"${digest}"` };
}

function isUnchanged(message: IncomingMessage, etag: string): boolean {
  const header = message.headers['if-none-match'];
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
