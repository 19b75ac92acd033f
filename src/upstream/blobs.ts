import { type Digest, matchesDigest } from '../oci/digest.ts';
import type { BlobExtent } from './blob-stream.ts';
import { cacheDirectives } from './cache-control.ts';
import { parseContentRange } from './content-range.ts';
import { contentLengthOf, headerOf, type UpstreamResponse } from './exchange.ts';
import { askRepository, checkContent, refusal, type RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';
import type { BlobRange, CallOptions } from './upstream.ts';

/** Which blob of which repository. */
export interface BlobTarget {
  readonly repository: string;
  readonly digest: Digest;
}

/** The answer to a GET of a blob, its body still unread. */
export interface OpenedBlob {
  readonly response: UpstreamResponse;
  readonly extent: BlobExtent;
}

/** A URL that is signed for GET refuses HEAD: S3 with 403, others with 405 or 400. */
const HEAD_REFUSALS = new Set([400, 403, 405, 406, 501]);

/** HEAD of a blob, or where that is refused the first byte of it, whose Content-Range tells the size. */
export async function headBlob(
  api: RegistryApi,
  target: BlobTarget,
  options: CallOptions,
): Promise<{ sizeBytes: number | undefined }> {
  const response = await askBlob(api, target, 'HEAD', options);
  if (HEAD_REFUSALS.has(response.status)) {
    response.discard();
    const probe = await openBlob(api, target, { ...options, range: { startBytes: 0, endBytes: 1 } });
    probe.response.drop();
    return { sizeBytes: probe.extent.totalBytes };
  }
  if (response.status !== 200) throw refusal(response, api);
  checkContent(response, api.upstream);
  response.discard();
  const sizeBytes = contentLengthOf(response);
  // Some count the body of the HEAD itself: then they tell nothing.
  return { sizeBytes: isImpossible(sizeBytes, target.digest) ? undefined : sizeBytes };
}

/**
 * GET of a blob or a part of it (distribution-spec, "Pulling blobs").
 * @throws UpstreamError `INVALID` for a part that was not asked for, for nothing where there is something, and with status
 * 416 for a range outside of the blob
 */
export async function openBlob(
  api: RegistryApi,
  target: BlobTarget,
  options: CallOptions & { readonly range: BlobRange | undefined },
): Promise<OpenedBlob> {
  const { range } = options;
  const response = await askBlob(api, target, 'GET', options);
  if (response.status !== 200 && !(response.status === 206 && range)) throw refusal(response, api);
  checkContent(response, api.upstream);
  const extent = response.status === 200 ? wholeExtent(response) : range && partialExtent(response, range);
  const isEmpty = isImpossible(extent?.totalBytes, target.digest);
  if (extent && !isEmpty) return { response, extent };
  response.drop();
  const problem = isEmpty ? `nothing for ${target.digest}` : 'another part than it was asked for';
  throw new UpstreamError('INVALID', api.upstream, `${response.url.host} sent ${problem}`, { status: response.status });
}

/** Of the one length that shows at once: with no byte to hold back until it is verified, a client would take it for whole. */
function isImpossible(sizeBytes: number | undefined, digest: Digest): boolean {
  return sizeBytes === 0 && !matchesDigest(new Uint8Array(0), digest);
}

function askBlob(
  api: RegistryApi,
  { repository, digest }: BlobTarget,
  method: 'GET' | 'HEAD',
  { range, purpose, signal, ...options }: CallOptions & { readonly range?: BlobRange | undefined },
): Promise<UpstreamResponse> {
  const headers = { ...(range && { range: rangeHeader(range) }), ...cacheDirectives(options) };
  return askRepository(api, {
    kind: 'blob',
    method,
    repository,
    resource: `blobs/${digest}`,
    headers,
    purpose,
    signal,
  });
}

/** RFC 9110 14.1.2: the last position is included. */
function rangeHeader({ startBytes, endBytes }: BlobRange): string {
  return `bytes=${startBytes}-${endBytes === undefined ? '' : endBytes - 1}`;
}

function wholeExtent(response: UpstreamResponse): BlobExtent {
  const bodyBytes = contentLengthOf(response);
  return { startBytes: 0, totalBytes: bodyBytes, isPartial: false, bodyBytes };
}

/** A part that begins where it was asked to, and goes as far as it was asked to or to the end of the blob. */
function partialExtent(response: UpstreamResponse, range: BlobRange): BlobExtent | undefined {
  const sent = parseContentRange(headerOf(response, 'content-range'));
  if (!sent || sent.startBytes !== range.startBytes) return undefined;
  const { startBytes, endBytes, totalBytes } = sent;
  const isToTheEnd = range.endBytes === undefined || range.endBytes > endBytes;
  if (isToTheEnd ? totalBytes !== undefined && totalBytes !== endBytes : endBytes !== range.endBytes) return undefined;
  const bodyBytes = endBytes - startBytes;
  if ((contentLengthOf(response) ?? bodyBytes) !== bodyBytes) return undefined;
  return { startBytes, totalBytes, isPartial: true, bodyBytes };
}
