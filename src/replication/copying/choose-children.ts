import type { Digest } from '../../oci/digest.ts';
import type { ManifestReference } from '../../oci/manifest.ts';
import { isIndexType } from '../../oci/media-types.ts';
import { isWantedPlatform, type Platform } from '../../oci/platform.ts';

/** An index, as far as its children are concerned. */
export interface IndexContent {
  readonly bytes: Uint8Array;
  readonly parsed: { readonly references: readonly ManifestReference[] };
}

/** The manifests that an index lists, each once. */
export interface ChosenChildren {
  readonly chosen: readonly Digest[];
  readonly others: readonly Digest[];
}

/** BuildKit's attestations stand beside the image that they are about, with this annotation and no real platform. */
const ABOUT = 'vnd.docker.reference.digest';

/**
 * Which manifests of an index are for these platforms; no platforms: all. An attestation goes with what it is about; an
 * index within the index is looked into; in an index that says nothing of platforms nothing can be left out.
 */
export function chooseChildren(index: IndexContent, wanted: readonly Platform[]): ChosenChildren {
  const listed = index.parsed.references.filter(({ role }) => role === 'manifest');
  const all = new Set(listed.map(({ digest }) => digest));
  if (wanted.length === 0) return { chosen: [...all], others: [] };
  const about = attestationsOf(index.bytes);
  const own = listed.filter(({ digest }) => !about.has(digest));
  const hasPlatforms = own.some(({ platform }) => platform !== undefined);
  const chosen = new Set<string>();
  for (const { digest, platform, mediaType } of own) {
    const isOpen = platform === undefined && (!hasPlatforms || isIndexType(mediaType));
    if (isOpen || isWantedPlatform(platform, wanted)) chosen.add(digest);
  }
  for (const [attestation, subject] of about) if (chosen.has(subject)) chosen.add(attestation);
  return {
    chosen: [...all].filter((digest) => chosen.has(digest)),
    others: [...all].filter((digest) => !chosen.has(digest)),
  };
}

/** Digests of attestations, and of what they are about. @param bytes of an index that was read before */
function attestationsOf(bytes: Uint8Array): Map<string, string> {
  const { manifests } = JSON.parse(Buffer.from(bytes).toString()) as { manifests?: Descriptor[] };
  const about = new Map<string, string>();
  for (const { digest, annotations } of manifests ?? []) {
    const subject = annotations?.[ABOUT];
    if (typeof subject === 'string') about.set(digest, subject);
  }
  return about;
}

interface Descriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}
