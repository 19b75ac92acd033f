import { matchesDigest, parseDigest } from '../oci/digest.ts';
import { KEPT_DELETED, KEPT_HEADER, ORIGIN_HEADER, formatOrigin } from '../util/replication-header.ts';
import { headerOf, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import type { ManifestTarget } from './manifests.ts';
import type { PeerCallOptions, PushOrigin, TakenManifest } from './peer.ts';
import { type Reference, referenceText } from '../oci/reference.ts';
import { askRepository, type RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';
import { refusalOfWrite } from './write-refusal.ts';

/** A manifest as it is sent. */
export interface ManifestToPush {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

type PushOptions = PeerCallOptions & { readonly origin?: PushOrigin };

/** 201 is the specification's; others have been seen to mean the same. */
const TAKEN = new Set([200, 201, 202, 204]);
const DELETED = new Set([200, 202, 204]);
const ABSENT = new Set([404, 410]);

/** Sends a manifest (distribution-spec, "Pushing manifests"), byte by byte as it is. */
export async function putManifest(
  api: RegistryApi,
  target: ManifestTarget,
  { bytes, mediaType, ...options }: ManifestToPush & PushOptions,
): Promise<TakenManifest> {
  const response = await askToChange(api, target, {
    method: 'PUT',
    headers: { 'content-type': mediaType, ...originHeader(options) },
    body: bytes,
    signal: options.signal,
  });
  if (!TAKEN.has(response.status)) throw await refusalOfWrite(response, api);
  response.discard();
  checkStored(response, bytes, api.upstream);
  const subject = parseDigest(headerOf(response, 'oci-subject')?.trim() ?? '');
  const kept = keptOf(response);
  return { ...(kept !== undefined && { kept }), ...(subject && { subject }) };
}

/** Deletes a tag, or a manifest with all its tags (distribution-spec, "Deleting manifests", "Deleting tags"). */
export async function deleteManifest(
  api: RegistryApi,
  target: ManifestTarget,
  options: PushOptions,
): Promise<'deleted' | 'absent' | 'kept'> {
  const headers = originHeader(options);
  const request = { method: 'DELETE', headers, access: 'delete', signal: options.signal } as const;
  const response = await askToChange(api, target, request);
  if (!DELETED.has(response.status) && !ABSENT.has(response.status)) throw await refusalOfWrite(response, api);
  response.discard();
  if (headerOf(response, KEPT_HEADER.toLowerCase()) !== undefined) return 'kept';
  return ABSENT.has(response.status) ? 'absent' : 'deleted';
}

function askToChange(
  api: RegistryApi,
  { repository, reference }: { readonly repository: string; readonly reference: Reference },
  request: Pick<UpstreamRequest, 'method' | 'headers' | 'body' | 'access' | 'signal'>,
): Promise<UpstreamResponse> {
  const resource = `manifests/${referenceText(reference)}`;
  return askRepository(api, { ...request, kind: 'manifest', repository, resource });
}

function originHeader({ origin }: PushOptions): Record<string, string> {
  return origin ? { [ORIGIN_HEADER.toLowerCase()]: formatOrigin(origin) } : {};
}

function keptOf(response: UpstreamResponse): TakenManifest['kept'] {
  const text = headerOf(response, KEPT_HEADER.toLowerCase())?.trim();
  return text === KEPT_DELETED ? KEPT_DELETED : parseDigest(text ?? '');
}

/** A registry that stores something else under the tag has changed it. */
function checkStored(response: UpstreamResponse, bytes: Uint8Array, upstream: string): void {
  const stored = parseDigest(headerOf(response, 'docker-content-digest')?.trim() ?? '');
  if (!stored || matchesDigest(bytes, stored)) return;
  throw new UpstreamError('INVALID', upstream, `${response.url.host} stored another manifest than it was sent`, {
    status: response.status,
  });
}
