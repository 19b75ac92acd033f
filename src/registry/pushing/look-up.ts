import type { PushedIndex, Root, RootIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';

/** Greater than any character that a tag or a digest may have. */
const GREATER = '\u{10FFFF}';

/** What a tag points at, also when the bytes of that were lost; undefined if there is no such tag. */
export async function tagTarget(
  index: Pick<PushedIndex, 'listTagRows'>,
  repository: string,
  tag: string,
): Promise<Digest | undefined> {
  const [row] = await index.listTagRows({ repository, after: justBefore(tag), limit: 1 });
  return row?.tag === tag ? row.digest : undefined;
}

/** What stands in a repository by itself under that digest; undefined for what is part of something, or not there. */
export async function findRoot(
  index: Pick<RootIndex, 'listRoots'>,
  repository: string,
  digest: Digest,
): Promise<Root | undefined> {
  const after = { repository, digest: justBefore(digest) };
  const [root] = await index.listRoots({ repository, after, limit: 1 });
  return root?.digest === digest ? root : undefined;
}

/** In byte order no other tag or digest stands between this and the name. */
function justBefore(name: string): string {
  const last = name.length - 1;
  return name.slice(0, last) + String.fromCharCode(name.charCodeAt(last) - 1) + GREATER;
}
