import type { Digest } from '../../oci/digest.ts';
import type { LocalBlob, LocalManifest } from '../../registry/local-content.ts';
import { RegistryError } from '../../registry/registry-error.ts';
import type { CopyTask } from './copy-task.ts';
import { unlessAborted } from './in-turn.ts';

interface Finding<Value> {
  readonly found: Value | undefined;
  /** Why it could not be fetched: it may be here later. */
  readonly reason?: string;
}

/** A manifest from here, or fetched where the job may. @throws RegistryError */
export async function findManifest(task: CopyTask, digest: Digest): Promise<Finding<LocalManifest>> {
  const { local, repository } = task;
  const stored = await local.manifest(repository, digest);
  if (stored) return { found: stored };
  return fetched(task, () => local.fetchManifest(repository, digest));
}

/** The same for a blob. Whoever gets it disposes of it. @throws RegistryError */
export async function findBlob(task: CopyTask, digest: Digest): Promise<Finding<LocalBlob>> {
  const { local, repository } = task;
  const stored = await local.blob(repository, digest);
  if (stored) return { found: stored };
  const { found, ...rest } = await fetched(task, () => local.fetchBlob(repository, digest));
  return { ...rest, found: found ? await local.blob(repository, digest) : undefined };
}

/** An upstream that fails is no fault of the job's: it waits, as for anything that is not here yet. */
async function fetched<Value>(task: CopyTask, fetch: () => Promise<Value | undefined>): Promise<Finding<Value>> {
  if (!task.mayFetch) return { found: undefined };
  try {
    return { found: await unlessAborted(fetch(), task.signal) };
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code === 'STORE_FAILED') throw error;
    return { found: undefined, reason: error.message };
  }
}
