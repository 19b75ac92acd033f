import { parseDigest, type Digest } from './digest.ts';

/** What a manifest is asked for by (distribution-spec, "Pulling manifests"). */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest };

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** A tag or a digest; undefined for what is neither. A colon can only stand in a digest. */
export function parseReference(text: string): Reference | undefined {
  if (text.includes(':')) {
    const digest = parseDigest(text);
    return digest && { kind: 'digest', digest };
  }
  return isTag(text) ? { kind: 'tag', tag: text } : undefined;
}

/** The reference as it stands in a URL. */
export function referenceText(reference: Reference): string {
  return reference.kind === 'tag' ? reference.tag : reference.digest;
}
