import type { Digest } from '../oci/digest.ts';
import { type UpstreamResponse, headerOf } from './exchange.ts';
import type { LeftUploads } from './left-uploads.ts';
import { uploadLocation } from './upload-location.ts';
import { saysNo, type UploadTarget } from './uploads.ts';

/** What is mounted. */
export interface Mount {
  readonly digest: Digest;
  /** A repository that has it; undefined: the registry may look for one. */
  readonly from: string | undefined;
}

/**
 * Makes a blob that the registry has elsewhere part of a repository (distribution-spec, end-11).
 * @returns false: it has to be sent. Where that began an upload, the push of the blob takes it up.
 */
export async function mountBlob(target: UploadTarget, mount: Mount, left: LeftUploads): Promise<boolean> {
  const { api, guard } = target;
  const response = await askForMount(target, mount);
  response?.discard();
  if (response?.status === 201) return (headerOf(response, 'docker-content-digest') ?? mount.digest) === mount.digest;
  if (response?.status !== 202) return false;
  const location = await uploadLocation(response, api, guard);
  if (location) left.keep(target, mount.digest, { location, receivedBytes: 0, minChunkBytes: 0, isFresh: true });
  return false;
}

/** Undefined: it is not possible here. Who may not read the other repository is told so in many ways, and may still push. */
async function askForMount(
  { api, repository, signal }: UploadTarget,
  { digest, from }: Mount,
): Promise<UpstreamResponse | undefined> {
  const url = new URL(`v2/${repository}/blobs/uploads/`, api.base);
  url.searchParams.set('mount', digest);
  if (from !== undefined) url.searchParams.set('from', from);
  const source = from === undefined ? {} : { from };
  try {
    return await api.send({ kind: 'upload', method: 'POST', url, headers: {}, repository, signal, ...source });
  } catch (error) {
    if (saysNo(error)) return undefined;
    throw error;
  }
}
