import type { Digest } from '../oci/digest.ts';
import type { ManifestHead } from '../upstream/upstream.ts';
import type { Outcome } from './outcome.ts';

/** A manifest as it is told to a client. */
export interface ManifestAnswer {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly outcome: Outcome;
  /** Since the upstream said so: for a tag when it was last confirmed, for a digest when it was stored. */
  readonly ageMs: number;
  /** Left out of the answer to a HEAD when it is not at hand. */
  readonly bytes: Uint8Array | undefined;
}

/** `head`: only what the headers tell is needed, which spares the upstream's pull quota. */
export type ManifestDepth = 'head' | 'whole';

/** The answer that an upstream's HEAD makes possible, if it told everything. */
export function headAnswer(head: ManifestHead): ManifestAnswer | undefined {
  const { digest, mediaType, sizeBytes } = head;
  if (digest === undefined || mediaType === undefined || sizeBytes === undefined) return undefined;
  return { digest, mediaType, sizeBytes, outcome: 'miss', ageMs: 0, bytes: undefined };
}
