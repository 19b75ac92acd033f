import { type Digest, digestOf, matchesDigest, parseDigest } from '../oci/digest.ts';
import { ManifestInvalidError, parseManifest } from '../oci/manifest.ts';
import { ACCEPT_MANIFESTS, isManifestType, mediaTypeOf } from '../oci/media-types.ts';
import { type Reference, referenceText } from '../oci/reference.ts';
import { ORIGIN_HEADER, parseOrigin } from '../util/replication-header.ts';
import { ageOf, cacheDirectives } from './cache-control.ts';
import { contentLengthOf, headerOf, type UpstreamResponse } from './exchange.ts';
import { askRepository, checkContent, refusal, type RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';
import type { CallOptions, FetchedManifest, ManifestHead } from './upstream.ts';

/** Which manifest of which repository. */
export interface ManifestTarget {
  readonly repository: string;
  readonly reference: Reference;
}

/** Registries that don't do HEAD, or not for everyone (ECR Public), say so in many ways; GET has the last word. */
const HEAD_REFUSALS = new Set([400, 403, 405, 406, 501]);
/** The message quotes the manifest, which may be long. */
const MAX_MESSAGE = 200;
const UNKNOWN: ManifestHead = { digest: undefined, mediaType: undefined, sizeBytes: undefined };

/** HEAD of a manifest (distribution-spec, "Checking if content exists in the registry"). */
export async function headManifest(
  api: RegistryApi,
  target: ManifestTarget,
  options: CallOptions,
): Promise<ManifestHead> {
  const askedAtMs = performance.now();
  try {
    const response = await askManifest(api, target, 'HEAD', options);
    if (HEAD_REFUSALS.has(response.status)) {
      response.discard();
      return UNKNOWN;
    }
    if (response.status !== 200) throw refusal(response, api);
    checkContent(response, api.upstream);
    response.discard();
    return { ...describe(response, target.reference), ...ageOf(response, options, askedAtMs) };
  } catch (error) {
    if (error instanceof UpstreamError && error.code === 'DENIED' && error.status === 403) return UNKNOWN;
    throw error;
  }
}

/**
 * GET of a manifest (distribution-spec, "Pulling manifests"), verified.
 * @throws UpstreamError `INVALID` for what is longer than the limit, no manifest, or not what its digest says
 */
export async function getManifest(
  api: RegistryApi,
  target: ManifestTarget,
  options: CallOptions & { readonly limitBytes: number },
): Promise<FetchedManifest> {
  const askedAtMs = performance.now();
  const response = await askManifest(api, target, 'GET', options);
  if (!response.bytes) throw refusal(response, api);
  checkContent(response, api.upstream);
  const { bytes } = response;
  const digest = verifiedDigest(bytes, response, target.reference);
  if (!digest) throw invalid(api, response, 'sent a manifest that does not match its digest');
  try {
    const { mediaType } = parseManifest(bytes, headerOf(response, 'content-type'));
    return { digest, mediaType, bytes, ...ageOf(response, options, askedAtMs) };
  } catch (error) {
    if (!(error instanceof ManifestInvalidError)) throw error;
    throw invalid(api, response, `sent what is no manifest: ${error.message.slice(0, MAX_MESSAGE)}`, error);
  }
}

function askManifest(
  api: RegistryApi,
  { repository, reference }: ManifestTarget,
  method: 'GET' | 'HEAD',
  { limitBytes, purpose, signal, ...options }: CallOptions & { readonly limitBytes?: number },
): Promise<UpstreamResponse> {
  return askRepository(api, {
    kind: 'manifest',
    method,
    repository,
    resource: `manifests/${referenceText(reference)}`,
    headers: { accept: ACCEPT_MANIFESTS, ...cacheDirectives(options) },
    purpose,
    signal,
    ...(limitBytes === undefined ? {} : { bodyLimitBytes: limitBytes }),
  });
}

function describe(response: UpstreamResponse, reference: Reference): ManifestHead {
  const mediaType = mediaTypeOf(headerOf(response, 'content-type'));
  const origin = reference.kind === 'tag' && parseOrigin(headerOf(response, ORIGIN_HEADER.toLowerCase()) ?? '');
  return {
    digest: reference.kind === 'digest' ? reference.digest : headerDigest(response),
    mediaType: isManifestType(mediaType) ? mediaType : undefined,
    // No manifest is empty: some count the body of the HEAD itself.
    sizeBytes: contentLengthOf(response) || undefined,
    ...(origin && { origin }),
  };
}

/** What was asked for by digest must be that, whatever the header says; by tag the header must tell the truth. */
function verifiedDigest(bytes: Uint8Array, response: UpstreamResponse, reference: Reference): Digest | undefined {
  const claimed = reference.kind === 'digest' ? reference.digest : headerDigest(response);
  if (!claimed) return digestOf(bytes);
  return matchesDigest(bytes, claimed) ? claimed : undefined;
}

function headerDigest(response: UpstreamResponse): Digest | undefined {
  return parseDigest(headerOf(response, 'docker-content-digest')?.trim() ?? '');
}

function invalid({ upstream }: RegistryApi, response: UpstreamResponse, what: string, cause?: Error): UpstreamError {
  const { status, url } = response;
  return new UpstreamError('INVALID', upstream, `${url.host} ${what}`, { status, cause });
}
