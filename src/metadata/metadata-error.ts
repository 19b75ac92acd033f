import { CodedError } from '../util/coded-error.ts';

/**
 * - `INDEX_IN_USE` another process has it open
 * - `INDEX_TOO_NEW` a newer version of this program wrote it
 * - `INDEX_CORRUPT` the file is damaged, or is no index
 * - `NO_MANIFEST` a tag was to point at what is no manifest of its repository, or no longer
 * - `INDEX_READ_ONLY`, `INDEX_FULL`, `INDEX_FAILED` the disk refuses
 */
export type MetadataErrorCode =
  | 'INDEX_IN_USE'
  | 'INDEX_TOO_NEW'
  | 'INDEX_CORRUPT'
  | 'NO_MANIFEST'
  | 'INDEX_READ_ONLY'
  | 'INDEX_FULL'
  | 'INDEX_FAILED';

/** The one error that leaves metadata/. */
export class MetadataError extends CodedError {
  declare readonly code: MetadataErrorCode;

  constructor(code: MetadataErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
  }
}
