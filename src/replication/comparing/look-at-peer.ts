import { type Digest, digestAlgorithm, matchesDigest } from '../../oci/digest.ts';
import { parseReference } from '../../oci/reference.ts';
import type { FetchedManifest, ManifestHead } from '../../upstream/upstream.ts';
import type { Link } from './link.ts';

/** A reference at the peer. */
export interface Place {
  /** The repository's name there. */
  readonly path: string;
  readonly reference: string;
}

/** What a reference stands for at the peer, and the change that set it if it is a tag and the peer tells that. */
export type TargetThere = Pick<ManifestHead, 'origin'> & { readonly digest: Digest };

/**
 * What a reference stands for at the peer, where a HEAD by one who replicates tells what is stored; undefined: it is not
 * there.
 * @throws UpstreamError
 */
export async function digestThere(link: Link, place: Place, signal: AbortSignal): Promise<Digest | undefined> {
  return (await targetThere(link, place, signal))?.digest;
}

/** The same with how it came to be. @throws UpstreamError */
export async function targetThere(link: Link, place: Place, signal: AbortSignal): Promise<TargetThere | undefined> {
  const { peer, pace } = link;
  const reference = parseReference(place.reference);
  if (!reference) return undefined;
  const head = await peer.headManifest(place.path, reference, { signal, ...(pace && { pace }) });
  if (!head) return undefined;
  if (reference.kind === 'digest') return { digest: reference.digest };
  const { digest, origin } = head;
  if (digest) return { digest, ...(origin && { origin }) };
  // The header is no more than recommended (distribution-spec, "Checking if content exists in the registry").
  return manifestThere(link, place, signal);
}

/** The manifest that a reference stands for at the peer. */
async function manifestThere(
  { peer, pace }: Link,
  { path, reference: text }: Place,
  signal: AbortSignal,
): Promise<FetchedManifest | undefined> {
  const reference = parseReference(text);
  return reference && peer.getManifest(path, reference, { signal, ...(pace && { pace }) });
}

/**
 * Is what a reference stands for at the peer this manifest? A registry gives what came by a tag the sha256 digest of its
 * bytes.
 * @param there its digest at the peer
 * @throws UpstreamError
 */
export async function isManifestThere(
  link: Link,
  { place, there, digest }: { readonly place: Place; readonly there: Digest; readonly digest: Digest },
  signal: AbortSignal,
): Promise<boolean> {
  if (digestAlgorithm(there) === digestAlgorithm(digest)) return there === digest;
  const manifest = await manifestThere(link, place, signal);
  return manifest !== undefined && matchesDigest(manifest.bytes, digest);
}
