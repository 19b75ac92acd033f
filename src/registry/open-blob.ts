import type { Digest } from '../oci/digest.ts';
import type { Outcome } from './outcome.ts';

/** A blob that is open for reading, stored or still coming in. */
export interface OpenBlob extends AsyncDisposable {
  readonly digest: Digest;
  /** Undefined when the upstream does not tell before the end. */
  readonly sizeBytes: number | undefined;
  readonly outcome: Outcome;
  /** It shares a download that another request had started. */
  readonly isShared: boolean;
  /** Time since it was stored; 0 while it comes in. */
  readonly ageMs: number;
  /** At least one byte from that offset on, as soon as it is there; 0 at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
}

/** What a HEAD tells of a blob. */
export type BlobInfo = Pick<OpenBlob, 'digest' | 'sizeBytes' | 'outcome' | 'ageMs'>;
