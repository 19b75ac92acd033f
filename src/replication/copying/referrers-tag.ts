import { parseDigest, type Digest } from '../../oci/digest.ts';
import { OCI_INDEX } from '../../oci/media-types.ts';
import type { LocalManifest } from '../../registry/local-content.ts';
import { RegistryError } from '../../registry/registry-error.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { CopyTask } from './copy-task.ts';
import { inTurn } from './in-turn.ts';

/** An entry of a referrers list. */
export type ReferrerEntry = Readonly<Record<string, unknown>> & { readonly digest: Digest };

/** A change of the list: what is to be in it now. */
export type ReferrersChange = (entries: readonly ReferrerEntry[]) => readonly ReferrerEntry[];

/** As the distribution-spec wants it ("Pushing Manifests with Subject"). */
export function referrerEntry({ digest, mediaType, bytes, parsed }: LocalManifest): ReferrerEntry {
  const { artifactType, annotations } = parsed;
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

/** Adds those that are not in the list. */
export function adding(added: readonly ReferrerEntry[]): ReferrersChange {
  return (entries) => {
    const known = new Set(entries.map(({ digest }) => digest));
    return [...entries, ...added.filter(({ digest }) => !known.has(digest))];
  };
}

export function removing(digest: Digest): ReferrersChange {
  return (entries) => entries.filter((entry) => entry.digest !== digest);
}

/**
 * Changes the list of a digest's referrers at a peer that does not keep it by itself: an index under a tag made of the
 * digest. Jobs take turns; other writers may come between, as the spec has no lock. A list that is right already is not
 * written; one that becomes empty goes, where that is possible.
 * @throws UpstreamError, RegistryError for a tag that is something else there
 */
export async function changeReferrersTag(task: CopyTask, tag: string, change: ReferrersChange): Promise<void> {
  const { memory, signal, path, peer, call, tally } = task;
  const reference = { kind: 'tag', tag } as const;
  await inTurn(
    (hold) => memory.turns.run(`list ${path}:${tag}`, hold),
    signal,
    async () => {
      const there = await peer.getManifest(path, reference, call);
      const index = there ? indexOf(there.bytes) : undefined;
      const before = there ? index?.entries : [];
      if (!before)
        throw new RegistryError('MANIFEST_INVALID', `${path}:${tag} at ${peer.name} is no list of referrers`);
      const after = change(before);
      if (after.length === before.length) return;
      if (there && after.length === 0 && (await isRemoved(task, there.digest))) return;
      const list = { ...index?.document, schemaVersion: 2, mediaType: OCI_INDEX, manifests: after };
      const bytes = Buffer.from(JSON.stringify(list));
      await peer.putManifest(path, reference, { bytes, mediaType: OCI_INDEX }, call);
      tally.sent(bytes.length);
    },
  );
}

/** Deletes a list with its tag, by its digest: some registries delete in no other way. @returns false: it may not be deleted */
async function isRemoved({ peer, path, call }: CopyTask, digest: Digest): Promise<boolean> {
  try {
    await peer.deleteManifest(path, { kind: 'digest', digest }, call);
    return true;
  } catch (error) {
    if (error instanceof UpstreamError && ['REFUSED', 'DENIED'].includes(error.code)) return false;
    throw error;
  }
}

/** Undefined for what is no list of referrers. */
export function entriesOf(bytes: Uint8Array): ReferrerEntry[] | undefined {
  return indexOf(bytes)?.entries;
}

/** The same with all that stands beside them. */
function indexOf(bytes: Uint8Array): { document: object; entries: ReferrerEntry[] } | undefined {
  const document = jsonOf(bytes);
  if (!isObject(document) || !Array.isArray(document['manifests'])) return undefined;
  const entries: ReferrerEntry[] = [];
  for (const entry of document['manifests'] as unknown[]) {
    const digest = isObject(entry) && typeof entry['digest'] === 'string' ? parseDigest(entry['digest']) : undefined;
    if (!isObject(entry) || !digest) return undefined;
    entries.push({ ...entry, digest });
  }
  return { document, entries };
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
