import type { LocalContent } from '../registry/local-content.ts';
import type { Here } from './comparing/here.ts';
import { compileArtifactFilter } from './copying/artifact-filter.ts';

/** Looks into manifests for the types of artifacts that rules take. One that is not here counts as taken: it is missing. */
export function takesTypeOf(local: Pick<LocalContent, 'manifest'>): NonNullable<Here['takesType']> {
  return async ({ artifactTypes }, { repository, digest }) => {
    const manifest = await local.manifest(repository, digest);
    return !manifest || compileArtifactFilter(artifactTypes)(manifest.parsed);
  };
}
