import type { CopyTask } from './copy-task.ts';

/**
 * May the peer have manifests of this repository without their blobs? A registry has the blobs of what it took, but where
 * a site like this one pulls from an upstream it may have been asked for the manifest alone.
 * @throws UpstreamError
 */
export async function isMirroredThere({ local, repository, memory, peer, call }: CopyTask): Promise<boolean> {
  return local.isProxied(repository) && (await memory.isEntrepot(peer, call));
}
