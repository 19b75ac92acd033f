import { digestAlgorithm, type Digest, parseDigest } from '../oci/digest.ts';
import type { AddressGuard } from './address-guard.ts';
import { type BodyStream, headerOf, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { askRepository, type RegistryApi } from './registry-api.ts';
import { closingLocation, uploadLocation } from './upload-location.ts';
import { receivedBytesOf } from './upload-range.ts';
import { UpstreamError } from './upstream-error.ts';
import { refusalOfWrite } from './write-refusal.ts';

/** Where uploads go: one repository of one peer. */
export interface UploadTarget {
  readonly api: RegistryApi;
  readonly guard: AddressGuard;
  readonly repository: string;
  readonly signal: AbortSignal | undefined;
}

/** An upload that was begun, as far as the registry told. */
export interface UploadState {
  readonly location: URL;
  /** What has arrived. */
  readonly receivedBytes: number;
  /** The least that one request may bring, but for the last (`OCI-Chunk-Min-Length`). */
  readonly minChunkBytes: number;
}

/** A part of a blob, perhaps the whole, perhaps nothing. */
export interface UploadPart {
  readonly body: BodyStream;
  readonly startBytes: number;
  /** Does the registry have to be told where it belongs? Not of the whole: GHCR and GAR take no ranges. */
  readonly isRange: boolean;
}

const OCTETS = 'application/octet-stream';
const MAX_CHUNK_BYTES = 4 * 1024 ** 3;

/** Begins an upload (distribution-spec, end-4a). */
export async function beginUpload(target: UploadTarget, digest: Digest): Promise<UploadState> {
  const { api, guard, repository, signal } = target;
  const algorithm = digestAlgorithm(digest);
  const query = algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`;
  const resource = `blobs/uploads/${query}`;
  const response = await askRepository(api, {
    kind: 'upload',
    method: 'POST',
    repository,
    resource,
    headers: {},
    signal,
  });
  if (response.status !== 202) throw await refusalOfWrite(response, api);
  response.discard();
  const location = await uploadLocation(response, api, guard);
  if (!location) throw new UpstreamError('INVALID', api.upstream, 'begins an upload nowhere', { status: 202 });
  return { location, receivedBytes: 0, minChunkBytes: minChunkBytesOf(response) };
}

/**
 * Where an upload stands (end-13); undefined: it is no more. Registries find many words for that: 404 is the
 * specification's, Docker's 400 for one whose bytes came by a broken connection, and 500 where its storage has lost it.
 */
export async function uploadStatus(target: UploadTarget, location: URL): Promise<UploadState | undefined> {
  const { api, guard } = target;
  let response: UpstreamResponse;
  try {
    response = await askUpload(target, { method: 'GET', url: location });
  } catch (error) {
    if (saysNo(error)) return undefined;
    throw error;
  }
  response.discard();
  const receivedBytes = receivedBytesOf(headerOf(response, 'range'));
  if (response.status < 200 || response.status > 204 || receivedBytes === undefined) return undefined;
  const next = (await uploadLocation(response, api, guard)) ?? location;
  return { location: next, receivedBytes, minChunkBytes: minChunkBytesOf(response) };
}

/** Sends a part that is not the last one (end-5). */
export async function sendChunk(target: UploadTarget, location: URL, part: UploadPart): Promise<UploadState> {
  const { api, guard } = target;
  const response = await askUpload(target, { method: 'PATCH', url: location, ...partOf(part) });
  if (response.status < 200 || response.status > 204) throw await refusalOfWrite(response, api);
  response.discard();
  const next = (await uploadLocation(response, api, guard)) ?? location;
  const receivedBytes = receivedBytesOf(headerOf(response, 'range')) ?? part.startBytes + part.body.sizeBytes;
  return { location: next, receivedBytes, minChunkBytes: minChunkBytesOf(response) };
}

/** Sends the last part, or the whole, and ends the upload (end-6). */
export async function finishUpload(
  target: UploadTarget,
  { location, digest }: { readonly location: URL; readonly digest: Digest },
  part: UploadPart,
): Promise<void> {
  const { api } = target;
  const url = closingLocation(location, digest);
  const settledBytes = part.startBytes + part.body.sizeBytes;
  const response = await askUpload(target, { method: 'PUT', url, settledBytes, ...partOf(part) });
  // 204 is of Docker's registry API.
  if (![200, 201, 204].includes(response.status)) throw await refusalOfWrite(response, api);
  response.discard();
  const stored = parseDigest(headerOf(response, 'docker-content-digest') ?? digest);
  // Another algorithm's digest may be of the same bytes.
  if (!stored || digestAlgorithm(stored) !== digestAlgorithm(digest) || stored === digest) return;
  throw new UpstreamError('INVALID', api.upstream, `stored ${stored} in place of ${digest}`, {
    status: response.status,
  });
}

/** Ends an upload without a blob (end-14). Docker's registry wants the right to delete for it. */
export async function cancelUpload(target: UploadTarget, location: URL): Promise<void> {
  const response = await askUpload(target, { method: 'DELETE', url: location, access: 'delete' });
  response.discard();
}

/** Does this mean that something is not there, or not possible? Otherwise the peer is in trouble. */
export function saysNo(error: unknown): boolean {
  if (!(error instanceof UpstreamError)) return false;
  if (error.code === 'UNAVAILABLE') return error.status === 500 || error.status === 501;
  return error.code === 'DENIED' || error.code === 'NOT_FOUND' || error.code === 'REFUSED';
}

function askUpload(
  { api, repository, signal }: UploadTarget,
  request: Pick<UpstreamRequest, 'method' | 'url' | 'body' | 'access' | 'settledBytes'> &
    Partial<Pick<UpstreamRequest, 'headers'>>,
): Promise<UpstreamResponse> {
  return api.send({ kind: 'upload', headers: {}, ...request, repository, signal });
}

/** `Content-Range` is `<first>-<last>` here, without a unit (distribution-spec, "Pushing a blob in chunks"). */
function partOf({ body, isRange, startBytes }: UploadPart): Pick<UpstreamRequest, 'body' | 'headers'> {
  const range = `${startBytes}-${startBytes + body.sizeBytes - 1}`;
  const headers = { 'content-type': OCTETS, ...(isRange && body.sizeBytes > 0 && { 'content-range': range }) };
  return { headers, body };
}

function minChunkBytesOf(response: UpstreamResponse): number {
  const text = headerOf(response, 'oci-chunk-min-length') ?? '';
  return /^\d{1,12}$/.test(text) ? Math.min(Number(text), MAX_CHUNK_BYTES) : 0;
}
