import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import { type Reference, referenceText } from '../../oci/reference.ts';
import type { TakesArtifact } from './artifact-filter.ts';
import { tagsAttachedTo } from './attached-tags.ts';
import { type CopiedReference, copyDigest, copyTag } from './copy-reference.ts';
import type { CopyTask } from './copy-task.ts';

/** Signatures of signatures are allowed, endless ones are not. */
const MAX_DEPTH = 4;
const MAX_ATTACHED = 1000;

/**
 * Copies a reference, then what is attached to it and to its children, and what is attached to that: referrers, and tags
 * that name their digests. Nothing attached is sent before its subject is there.
 * @param takes of another artifact nothing is sent. What is attached goes with its subject, whatever it is itself
 * @returns what became of the reference; what attached content lacks counts as missing too
 * @throws UpstreamError, RegistryError, MetadataError
 */
export async function copyWithAttached(
  task: CopyTask,
  reference: Reference,
  takes: TakesArtifact = takesAny,
): Promise<CopiedReference> {
  const seen = new Set([referenceText(reference)]);
  const first = await copyReference(task, reference, takes);
  const missing = [...first.missing];
  let subjects = [...first.there];
  for (let depth = 0; depth < MAX_DEPTH && subjects.length > 0; depth += 1) {
    const next: Digest[] = [];
    for (const subject of subjects) {
      for await (const attached of attachedTo(task, subject)) {
        const name = referenceText(attached);
        if (seen.has(name) || seen.size > MAX_ATTACHED) continue;
        seen.add(name);
        const result = await copyReference(task, attached, takesAny);
        missing.push(...result.missing);
        next.push(...result.there);
      }
      // The index answers within a turn: others want theirs.
      await nextTurn();
    }
    subjects = next;
  }
  return first.missing.length === missing.length ? first : { ...first, outcome: 'incomplete', missing };
}

function copyReference(task: CopyTask, reference: Reference, takes: TakesArtifact): Promise<CopiedReference> {
  task.signal.throwIfAborted();
  return reference.kind === 'tag' ? copyTag(task, reference.tag, takes) : copyDigest(task, reference.digest, takes);
}

function takesAny(): boolean {
  return true;
}

async function* attachedTo(task: CopyTask, subject: Digest): AsyncGenerator<Reference, void> {
  const { local, index, repository } = task;
  for await (const { digest } of local.referrers(repository, subject)) yield { kind: 'digest', digest };
  for (const { tag } of await tagsAttachedTo(index, repository, subject)) yield { kind: 'tag', tag };
}
