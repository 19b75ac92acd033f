import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { NewJob, TagTombstone } from '../../metadata/replication-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Link } from './link.ts';
import type { LocalReference } from './references.ts';

/** A tag that was deleted here. */
export type DeletedTag = Pick<TagTombstone, 'digest' | 'deletedAtMs'> & {
  readonly repository: string;
  readonly tag: string;
};

/** Jobs that no event asks for. How long the peer has been without these nobody knows: they count from now. */
export async function copyJobs(
  index: Pick<MetadataIndex, 'contentOf'>,
  link: Link,
  references: readonly Pick<LocalReference, 'repository' | 'reference' | 'digest'>[],
): Promise<NewJob[]> {
  const nowMs = Date.now();
  const jobs: NewJob[] = [];
  for (const { repository, reference, digest } of references) {
    const sizeBytes = await sizeOf(index, { repository, digest });
    jobs.push({ ...jobOf(link, repository, reference, nowMs), dueAtMs: nowMs, sizeBytes });
  }
  return jobs;
}

/** The same for tags that the peer is to lose, each when its time of grace is over. */
export function deletionJobs(link: Link, tags: readonly DeletedTag[]): NewJob[] {
  const nowMs = Date.now();
  return tags.map(({ repository, tag, digest, deletedAtMs }) => ({
    ...jobOf(link, repository, tag, nowMs),
    deleted: digest,
    dueAtMs: deletedAtMs + link.rule.graceMs,
  }));
}

function jobOf({ rule, peer }: Link, repository: string, reference: string, sinceMs: number): Omit<NewJob, 'dueAtMs'> {
  return { rule: rule.name, peer: peer.name, repository, reference, sequence: 0, sinceMs, priority: rule.priority };
}

async function sizeOf(
  index: Pick<MetadataIndex, 'contentOf'>,
  root: { repository: string; digest: Digest },
): Promise<number> {
  const content = await index.contentOf(root);
  return content.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
