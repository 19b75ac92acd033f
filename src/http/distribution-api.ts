import type { IncomingMessage } from 'node:http';
import type { Digest } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Repository } from '../oci/repository.ts';
import type { Registry } from '../registry/registry.ts';
import type { Answer } from './answer.ts';
import { BLOB_CONTENT_TYPE, blobAnswer } from './blob-answer.ts';
import { firstOffset, parseRange } from './byte-range.ts';
import { cacheHeaders } from './cache-headers.ts';
import type { DistributionRequest, PathAddress } from './distribution-path.ts';
import { errorAnswer } from './error-answer.ts';
import { nextLink, pageOf } from './list-page.ts';

type RequestOf<Kind> = Extract<DistributionRequest, { kind: Kind }>;

/** A repository that a request names, and the namespace to repeat in the answer. */
interface Target {
  readonly repository: Repository;
  readonly headers: Answer['headers'];
}

/** Sent with every answer: old Docker clients look for it, and no client may guess types. */
export const COMMON_HEADERS = {
  'Docker-Distribution-API-Version': 'registry/2.0',
  'X-Content-Type-Options': 'nosniff',
} as const;

const READ_METHODS = 'GET, HEAD';
/** `_catalog` without `n`: what Docker's registry gives. */
const CATALOG_LIMIT = 100;

/** The `/v2/` API over a registry (distribution-spec, "Endpoints"): what to answer to a request. */
export class DistributionApi {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** @throws RegistryError */
  async answer(request: DistributionRequest, message: IncomingMessage): Promise<Answer> {
    if (request.kind === 'problem') return errorAnswer(request.status, request.code, request.message);
    if (message.method !== 'GET' && message.method !== 'HEAD') {
      return errorAnswer(405, 'UNSUPPORTED', `${message.method} is not possible here`, { Allow: READ_METHODS });
    }
    switch (request.kind) {
      case 'ping':
        return jsonAnswer({}, {});
      case 'catalog':
        return this.#catalog(request);
      case 'upload':
        return errorAnswer(405, 'UNSUPPORTED', 'nothing can be pushed here', { Allow: READ_METHODS });
      case 'manifest':
      case 'blob':
      case 'tags':
      case 'referrers': {
        const target = this.#target(request.address);
        if (!target) return errorAnswer(400, 'NAME_INVALID', `"${request.address.path}" is not a repository name`);
        return this.#answerFor(request, target, message);
      }
    }
  }

  /** The repository that an address means, as far as it means one; for logs. */
  repositoryOf(address: PathAddress): Repository | undefined {
    return this.#registry.upstreams.resolve(address);
  }

  #answerFor(
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

  #target(address: PathAddress): Target | undefined {
    const repository = this.#registry.upstreams.resolve(address);
    if (!repository) return undefined;
    this.#registry.upstreams.check(repository);
    // distribution-spec, "Registry Proxying": a proxy that used `ns` says so.
    return { repository, headers: address.namespace === undefined ? {} : { 'OCI-Namespace': address.namespace } };
  }

  async #manifest(request: RequestOf<'manifest'>, target: Target, message: IncomingMessage): Promise<Answer> {
    const depth = message.method === 'HEAD' ? 'head' : 'whole';
    const manifest = await this.#registry.manifests.get(target.repository, request.reference, depth);
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
    const { sizeBytes, outcome, ageMs } = await this.#registry.blobs.head(target.repository, digest);
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
    const { artifactType } = request;
    const { entries, outcome, ageMs } = await this.#registry.listings.referrers(target.repository, request.digest);
    const manifests = artifactType ? entries.filter((entry) => entry.artifactType === artifactType) : entries;
    const headers = {
      ...target.headers,
      ...cacheHeaders(outcome, ageMs),
      ...(artifactType ? { 'OCI-Filters-Applied': 'artifactType' } : {}),
    };
    return { ...jsonAnswer({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, headers, OCI_INDEX), outcome };
  }

  /** Docker's catalog of what is here: names in full, or within the namespace that is asked about. */
  async #catalog(request: RequestOf<'catalog'>): Promise<Answer> {
    const { page, namespace } = request;
    const limit = page.limit ?? CATALOG_LIMIT;
    const registry = namespace === undefined ? undefined : this.#registry.upstreams.canonicalName(namespace);
    const prefix = registry === undefined ? '' : `${registry}/`;
    const names = await this.#registry.listings.repositories({
      prefix,
      after: page.after === undefined ? '' : `${prefix}${page.after}`,
      limit: limit + 1,
    });
    const repositories = names.slice(0, limit).map((name) => name.slice(prefix.length));
    const last = repositories.at(-1);
    const others: Record<string, string> = namespace === undefined ? {} : { ns: namespace };
    const link =
      names.length > limit && last !== undefined
        ? nextLink('/v2/_catalog', { ...others, n: String(limit), last })
        : undefined;
    return jsonAnswer({ repositories }, link === undefined ? {} : { Link: link });
  }
}

function blobHeaders(digest: Digest): { 'Docker-Content-Digest': Digest; 'Accept-Ranges': string; ETag: string } {
  return { 'Docker-Content-Digest': digest, 'Accept-Ranges': 'bytes', ETag: `"${digest}"` };
}

function jsonAnswer(value: object, headers: Answer['headers'], contentType = 'application/json'): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status: 200, headers: { 'Content-Type': contentType, 'Content-Length': body.length, ...headers }, body };
}

function isUnchanged(message: IncomingMessage, etag: string): boolean {
  const header = message.headers['if-none-match'];
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
