import type { MetadataIndex } from '../../../src/metadata/metadata-index.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import type { ReplicationRule } from '../../../src/replication/rule.ts';
import { openSqliteIndex } from '../../metadata/support/open-sqlite-index.ts';
import { digestFor } from './scripted-peer.ts';

/** A site of which there is an index only. */
export interface Site extends AsyncDisposable {
  readonly index: MetadataIndex;
  /** Stores a manifest with a layer of 1000 bytes of its own. @param image.name gives the digest, if none is given */
  add(image: {
    repository?: string;
    name: string;
    tags?: readonly string[];
    subject?: Digest;
    digest?: Digest;
  }): Promise<Digest>;
  /** Deletes a tag as a client does. */
  untag(tag: string, repository?: string): Promise<void>;
}

export const APP = 'local/app';

export async function openSite(): Promise<Site> {
  const opened = await openSqliteIndex();
  const { index } = opened;
  return {
    index,
    add: async ({ repository = APP, name, tags = [name], subject, digest = digestFor(name) }) => {
      const layer = digestFor(`layer of ${name}`);
      const atMs = Date.now();
      await index.putBlob({ digest: layer, sizeBytes: 1000, repositories: [repository], atMs });
      await index.putManifest({
        repository,
        digest,
        mediaType: OCI_MANIFEST,
        sizeBytes: 10,
        artifactType: undefined,
        references: [
          { role: 'layer', digest: layer, sizeBytes: 1000, mediaType: 'application/vnd.oci.image.layer.v1.tar' },
          ...(subject ? [{ role: 'subject', digest: subject, sizeBytes: 10, mediaType: OCI_MANIFEST } as const] : []),
        ],
        tags,
        atMs,
      });
      return digest;
    },
    untag: async (tag, repository = APP) => {
      await index.deleteTag(repository, tag, { actor: 'alice' });
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** A rule about all of `local/`, to be changed where a test needs it. */
export function ruleWith(changes: Partial<ReplicationRule> = {}): ReplicationRule {
  return {
    name: 'all',
    repositories: ['local/**'],
    tags: ['*'],
    platforms: [],
    artifactTypes: [],
    to: ['us-east'],
    trigger: { type: 'event' },
    as: '{repository}',
    deletes: false,
    graceMs: 0,
    maxDelete: 0.1,
    priority: 0,
    only: [],
    fetch: false,
    check: undefined,
    ...changes,
  };
}

/** All jobs of the index, as `repository reference`; deletions with a minus. */
export async function jobsOf(index: MetadataIndex): Promise<string[]> {
  const jobs = await index.listJobs({ limit: 10_000 });
  return jobs.map(({ repository, reference, deleted }) => `${deleted ? '-' : ''}${repository} ${reference}`).toSorted();
}
