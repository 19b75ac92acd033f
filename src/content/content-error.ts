import { CodedError } from '../util/coded-error.ts';

/**
 * - `STORE_FULL` no room on the disk, or the disk quota is reached
 * - `STORE_READ_ONLY` the disk or folder cannot be written
 * - `STORE_FAILED` the disk refuses in another way
 */
export type ContentErrorCode = 'STORE_FULL' | 'STORE_READ_ONLY' | 'STORE_FAILED';

/** The one error that leaves content/. */
export class ContentError extends CodedError {
  declare readonly code: ContentErrorCode;

  constructor(code: ContentErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
  }
}

/** Gives an error of the file system this layer's words. */
export function toContentError(error: unknown, doing: string): ContentError {
  if (error instanceof ContentError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ContentError('STORE_FULL', `${doing}: no space left on the disk`, { cause: error });
  }
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return new ContentError('STORE_READ_ONLY', `${doing}: ${message}: storage.path must be writable`, { cause: error });
  }
  return new ContentError('STORE_FAILED', `${doing}: ${message}`, { cause: error });
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}
