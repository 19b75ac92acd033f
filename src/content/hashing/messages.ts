import type { DigestAlgorithm } from '../../oci/digest.ts';

/** What a hash worker does next with one content, in the order in which it is told. */
export type HashStep =
  /** Reads on in the file, up to that offset. */
  | { readonly kind: 'read'; readonly toBytes: number }
  /** Takes bytes that are in no file. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Tells that it has come here. */
  | { readonly kind: 'tell' }
  /** Gives the sum and ends. */
  | { readonly kind: 'sum' };

/** To a hash worker. File descriptors belong to the whole process, so a worker reads the file by its number. */
export type HashRequest =
  | {
      readonly kind: 'start';
      readonly id: number;
      readonly fd: number | undefined;
      readonly algorithm: DigestAlgorithm;
    }
  | { readonly kind: 'step'; readonly id: number; readonly step: HashStep }
  | { readonly kind: 'stop'; readonly id: number };

/** From a hash worker. All but `reached` are the last word on their content. */
export type HashReply =
  | { readonly kind: 'reached'; readonly id: number }
  | { readonly kind: 'hashed'; readonly id: number; readonly hex: string }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'stopped'; readonly id: number };
