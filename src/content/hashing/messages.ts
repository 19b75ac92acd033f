import type { DigestAlgorithm } from '../../oci/digest.ts';

/** To a hash worker. File descriptors belong to the whole process, so a worker reads the file by its number. */
export type HashRequest =
  | { readonly kind: 'start'; readonly id: number; readonly fd: number; readonly algorithm: DigestAlgorithm }
  | { readonly kind: 'advance'; readonly id: number; readonly toBytes: number; readonly final: boolean }
  | { readonly kind: 'stop'; readonly id: number };

/** From a hash worker. */
export type HashReply =
  | { readonly kind: 'hashed'; readonly id: number; readonly hex: string }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'stopped'; readonly id: number };
