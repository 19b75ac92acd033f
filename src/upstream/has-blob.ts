import type { Digest } from '../oci/digest.ts';
import { headBlob } from './blobs.ts';
import type { RegistryApi } from './registry-api.ts';
import { UpstreamError } from './upstream-error.ts';

/** Is a blob in a repository (distribution-spec, "Checking if content exists in the registry")? */
export async function hasBlob(
  { api, repository, signal }: { api: RegistryApi; repository: string; signal: AbortSignal | undefined },
  digest: Digest,
): Promise<boolean> {
  try {
    await headBlob(api, { repository, digest }, signal ? { signal } : {});
    return true;
  } catch (error) {
    if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return false;
    throw error;
  }
}
