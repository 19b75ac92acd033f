import type { Digest } from '../../oci/digest.ts';
import type { ManifestRow } from '../metadata-index.ts';

/** The columns of a {@link ManifestRow}. */
export interface ManifestColumns {
  readonly digest: Digest;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly stored_at: number;
}

/** A row as the port has it. */
export function manifestRow(row: ManifestColumns): ManifestRow {
  return { digest: row.digest, mediaType: row.media_type, sizeBytes: row.size_bytes, storedAtMs: row.stored_at };
}
