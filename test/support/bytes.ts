import { createCipheriv, createHash } from 'node:crypto';

/** Digest algorithms that the OCI image spec registers. */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** The digest of `bytes` as the specs write it: `sha256:<hex>`. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** The sha256 digest of `bytes`: `sha256:<hex>`. */
export function sha256(bytes: Uint8Array): string {
  return digestOf(bytes);
}

/** Pseudo-random, incompressible bytes: the same for the same seed, a gigabyte in about a second (AES-CTR). */
export function seededBytes(size: number, seed: number | string): Buffer {
  const key = createHash('sha256').update(`entrepot test bytes ${seed}`).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}
