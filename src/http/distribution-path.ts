import { isDigestAlgorithm, parseDigest, type Digest, type DigestAlgorithm } from '../oci/digest.ts';
import { isTag, parseReference, type Reference } from '../oci/reference.ts';
import type { ErrorCode } from './error-answer.ts';

/** Where a repository is: its path, and the registry's name if `?ns=` or a part before `/v2/` gave one. */
export interface PathAddress {
  readonly path: string;
  readonly namespace: string | undefined;
}

/** A page of a list (distribution-spec, "Listing Tags"): at most `limit` entries, those after `after`. */
export interface PageQuery {
  readonly limit: number | undefined;
  readonly after: string | undefined;
}

/** A request to `/v2/`, understood (distribution-spec, "Endpoints"). */
export type DistributionRequest =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog'; readonly page: PageQuery; readonly namespace: string | undefined }
  | {
      readonly kind: 'manifest';
      readonly address: PathAddress;
      readonly reference: Reference;
      /** `?tag=`, for pushes: tags besides the reference. */
      readonly tags: readonly string[];
    }
  | { readonly kind: 'blob'; readonly address: PathAddress; readonly digest: Digest }
  | { readonly kind: 'tags'; readonly address: PathAddress; readonly page: PageQuery }
  | {
      readonly kind: 'referrers';
      readonly address: PathAddress;
      readonly digest: Digest;
      readonly artifactType: string | undefined;
      readonly page: PageQuery;
    }
  | UploadRequest
  | PathProblem;

/** Uploads: where they are begun (end-4, end-11), or one of them (end-5, end-6, end-13, end-14). */
export interface UploadRequest {
  readonly kind: 'upload';
  readonly address: PathAddress;
  /** Undefined: one is to begin. */
  readonly id: string | undefined;
  /** What has been uploaded, or is with this request. */
  readonly digest: Digest | undefined;
  /** What the digest will be of. */
  readonly algorithm: DigestAlgorithm | undefined;
  /** What shall be taken from another repository, and from which, if that is told. */
  readonly mount: { readonly digest: Digest; readonly from: string | undefined } | undefined;
}

/** A request that no end-point is for. */
interface PathProblem {
  readonly kind: 'problem';
  readonly status: ProblemStatus;
  readonly code: ErrorCode;
  readonly message: string;
}

type ProblemStatus = 400 | 404 | 414;

const ENDPOINT = /^(.+)\/(manifests|blobs|referrers|tags)\/(.+)$/;
const UPLOADS = /^(.+)\/blobs\/uploads(?:\/([^/]*))?$/;
const UPLOADS_PREFIX = 'uploads/';
/** The distribution-spec wants ten at least. */
const MAX_TAGS = 100;
/** More than any registry gives at once. */
const MAX_PAGE = 10_000;

/** Is this URL for the distribution API? containerd puts a mirror's path before `/v2/`: `/ghcr.io/v2/...`. */
export function isDistributionUrl(url: string): boolean {
  return /^(?:\/[^/?]+)?\/v2(?:[/?]|$)/.test(url);
}

/** Reads a request's URL, once, into what it asks for. */
export function parseDistributionPath(url: string): DistributionRequest {
  const queryAt = url.indexOf('?');
  const query = new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1));
  const path = decoded(queryAt < 0 ? url : url.slice(0, queryAt));
  if (path === undefined) return problem(400, 'NAME_INVALID', 'the path has a malformed percent-encoding');
  const parts = /^(?:\/([^/]+))??\/v2(?:\/(.*))?$/.exec(path);
  if (!parts) return problem(404, 'UNSUPPORTED', 'there is nothing at this path');
  const [, prefix, rest = ''] = parts;
  const namespace = query.get('ns') || prefix || undefined;
  if (rest === '') return { kind: 'ping' };
  if (rest === '_catalog') return withPage(query, (page) => ({ kind: 'catalog', page, namespace }));
  const upload = UPLOADS.exec(rest);
  if (upload?.[1]) return parseUpload({ path: upload[1], namespace }, upload[2], query);
  const match = ENDPOINT.exec(rest);
  if (!match) return problem(404, 'UNSUPPORTED', 'there is no such end-point');
  const [, name = '', endpoint = '', subject = ''] = match;
  return parseEndpoint({ path: name, namespace }, endpoint, subject, query);
}

function parseEndpoint(
  address: PathAddress,
  endpoint: string,
  subject: string,
  query: URLSearchParams,
): DistributionRequest {
  if (endpoint === 'tags') {
    if (subject !== 'list') return problem(404, 'UNSUPPORTED', 'there is no such end-point');
    return withPage(query, (page) => ({ kind: 'tags', address, page }));
  }
  if (endpoint === 'manifests') {
    const reference = parseReference(subject);
    if (reference) return parseManifestTags(address, reference, query);
    if (subject.includes(':')) return invalidDigest(subject);
    return problem(400, 'MANIFEST_INVALID', `"${subject}" is neither a tag nor a digest`);
  }
  // Whatever it is, it is no upload that there is.
  if (endpoint === 'blobs' && subject.startsWith(UPLOADS_PREFIX)) {
    return parseUpload(address, subject.slice(UPLOADS_PREFIX.length), query);
  }
  const digest = parseDigest(subject);
  if (!digest) return invalidDigest(subject);
  if (endpoint === 'blobs') return { kind: 'blob', address, digest };
  const artifactType = query.get('artifactType') || undefined;
  return withPage(query, (page) => ({ kind: 'referrers', address, digest, artifactType, page }));
}

function parseManifestTags(address: PathAddress, reference: Reference, query: URLSearchParams): DistributionRequest {
  const tags = [...new Set(query.getAll('tag'))];
  if (tags.length > MAX_TAGS) {
    return problem(414, 'UNSUPPORTED', `${tags.length} tags are too many; ${MAX_TAGS} is the limit`);
  }
  const invalid = tags.find((tag) => !isTag(tag));
  if (invalid !== undefined) return problem(400, 'MANIFEST_INVALID', `"${invalid}" is no tag`);
  return { kind: 'manifest', address, reference, tags };
}

function parseUpload(address: PathAddress, id: string | undefined, query: URLSearchParams): DistributionRequest {
  const [digestText, mountText] = [query.get('digest'), query.get('mount')];
  const digest = digestText === null ? undefined : parseDigest(digestText);
  if (digestText !== null && !digest) return invalidDigest(digestText);
  const mounted = mountText === null ? undefined : parseDigest(mountText);
  if (mountText !== null && !mounted) return invalidDigest(mountText);
  const algorithm = query.get('digest-algorithm') ?? undefined;
  if (algorithm !== undefined && !isDigestAlgorithm(algorithm)) {
    return problem(400, 'DIGEST_INVALID', `digests of "${algorithm}" are not known here; sha256 and sha512 are`);
  }
  const mount = mounted && { digest: mounted, from: query.get('from') || undefined };
  return { kind: 'upload', address, id: id || undefined, digest, algorithm, mount };
}

function withPage(query: URLSearchParams, make: (page: PageQuery) => DistributionRequest): DistributionRequest {
  const n = query.get('n');
  if (n !== null && !/^\d+$/.test(n)) return problem(400, 'UNSUPPORTED', `n=${n} is not a number of entries`);
  const limit = n === null ? undefined : Math.min(Number(n), MAX_PAGE);
  return make({ limit, after: query.get('last') ?? undefined });
}

function invalidDigest(text: string): PathProblem {
  return problem(400, 'DIGEST_INVALID', `"${text}" is not a sha256 or sha512 digest`);
}

function problem(status: ProblemStatus, code: ErrorCode, message: string): PathProblem {
  return { kind: 'problem', status, code, message };
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
