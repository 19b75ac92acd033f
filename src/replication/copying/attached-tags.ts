import type { MetadataIndex, TagTarget } from '../../metadata/metadata-index.ts';
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../oci/digest.ts';
import { attachedTo } from '../../registry/pushing/choose-expired.ts';

/** More than any signing tool makes of one digest. */
const MAX_TAGS = 20;
const MAX_HEX = 64;

/** Where referrers of a digest stand in a registry without the referrers API (distribution-spec, "Referrers Tag Schema"). */
export function referrersTagOf(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, MAX_HEX)}`;
}

/** Is it such a tag? */
export function isReferrersTag(tag: string): boolean {
  return attachedTo(tag) !== undefined && !tag.includes('.');
}

/** Names that begin with this one and go on: between these two. */
function extensionsOf(stem: string): { readonly after: string; readonly before: string } {
  // No tag has a tilde (distribution-spec, "Pulling manifests"), and what tags have comes before it.
  return { after: stem, before: `${stem}~` };
}

/** The manifest that a tag belongs to by its name, as cosign makes them: `sha256-<hex>.sig`. Undefined for others. */
export function subjectOfTag(tag: string): Digest | undefined {
  return parseDigest(attachedTo(tag) ?? '');
}

/** Tags here that belong to a manifest by their names, without the referrers tag. */
export async function tagsAttachedTo(
  index: Pick<MetadataIndex, 'listTagRows'>,
  repository: string,
  subject: Digest,
): Promise<readonly TagTarget[]> {
  const stem = referrersTagOf(subject);
  const rows = await index.listTagRows({ repository, ...extensionsOf(stem), limit: MAX_TAGS });
  return rows.filter(({ tag }) => subjectOfTag(tag) === subject);
}
