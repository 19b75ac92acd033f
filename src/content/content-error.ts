import { constants } from 'node:os';
import { CodedError } from '../util/coded-error.ts';

/** By number where Node has no name for it: EDQUOT comes as `Unknown system error -122`. */
const FULL: ReadonlySet<number> = new Set([constants.errno.ENOSPC, constants.errno.EDQUOT, constants.errno.EFBIG]);
const READ_ONLY: ReadonlySet<number> = new Set([constants.errno.EROFS, constants.errno.EACCES, constants.errno.EPERM]);
const SHORTAGE: ReadonlySet<number> = new Set([constants.errno.EMFILE, constants.errno.ENFILE, constants.errno.ENOMEM]);

/**
 * - `STORE_FULL` no room on the disk, the disk quota is reached, or the file would be larger than it may be
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
  const { message } = error as Error;
  const errno = errnoOf(error);
  if (FULL.has(errno)) {
    return new ContentError('STORE_FULL', `${doing}: no space left on the disk`, { cause: error });
  }
  if (READ_ONLY.has(errno)) {
    return new ContentError('STORE_READ_ONLY', `${doing}: ${message}: storage.path must be writable`, { cause: error });
  }
  return new ContentError('STORE_FAILED', `${doing}: ${message}`, { cause: error });
}

/** There is nothing of that name: nor below something that is no folder. */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** The process lacks something: that says nothing about the file. */
export function isShortage(error: unknown): boolean {
  return SHORTAGE.has(errnoOf(error));
}

function errnoOf(error: unknown): number {
  return -((error as NodeJS.ErrnoException | undefined)?.errno ?? 0);
}
