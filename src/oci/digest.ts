import { hash } from 'node:crypto';

/** Algorithms of the OCI image spec that content may be addressed by (descriptor.md, "Registered algorithms"). */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** `<algorithm>:<hex>`, checked: only {@link parseDigest} and {@link digestOf} make one. */
export type Digest = string & { readonly __digest: unique symbol };

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 };

/** Reads a digest of a registered algorithm in its canonical, lower-case form; anything else is undefined. */
export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (!isDigestAlgorithm(algorithm)) return undefined;
  const hex = text.slice(colon + 1);
  return hex.length === HEX_LENGTH[algorithm] && /^[0-9a-f]+$/.test(hex) ? (text as Digest) : undefined;
}

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return text === 'sha256' || text === 'sha512';
}

/** The digest of bytes that are in memory; for files see the content store's hashing. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}` as Digest;
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Does this content have this digest? */
export function matchesDigest(bytes: Uint8Array, digest: Digest): boolean {
  return hash(digestAlgorithm(digest), bytes, 'hex') === digestHex(digest);
}
