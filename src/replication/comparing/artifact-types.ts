import type { LocalContent } from '../../registry/local-content.ts';
import { compileArtifactFilter, type TakesArtifact } from '../copying/artifact-filter.ts';
import type { ReplicationRule } from '../rule.ts';
import type { Here } from './here.ts';

/**
 * Looks at the manifests that are stored here, by the filter that jobs have. What cannot be read counts as taken: its job
 * tells what is wrong with it.
 */
export function artifactTypes(local: Pick<LocalContent, 'manifest'>): NonNullable<Here['takesType']> {
  const filters = new WeakMap<ReplicationRule, TakesArtifact>();
  return async (rule, { repository, digest }) => {
    const takes = filters.get(rule) ?? compileArtifactFilter(rule.artifactTypes);
    filters.set(rule, takes);
    const manifest = await local.manifest(repository, digest);
    return manifest === undefined || takes(manifest.parsed);
  };
}
