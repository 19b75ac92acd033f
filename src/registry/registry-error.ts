import { ContentError } from '../content/content-error.ts';
import { MetadataError } from '../metadata/metadata-error.ts';
import { UpstreamError, type UpstreamErrorCode } from '../upstream/upstream-error.ts';
import { CodedError } from '../util/coded-error.ts';

/**
 * Why the registry cannot answer.
 * - `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `BLOB_UNKNOWN` there is no such thing, and whoever could know said so
 * - `DENIED` the upstream lets nobody have it without credentials that we do not have
 * - `RATE_LIMITED` the upstream's limit is reached
 * - `UPSTREAM_FAILED` it cannot be reached, answers nonsense, or refuses our credentials
 * - `UPSTREAM_UNAVAILABLE` it is out of order, or held back after failures
 * - `UPSTREAM_TIMEOUT` it does not answer in time
 * - `STORE_FAILED` our own disk or index
 * - `CONTENT_LOST` it was pushed here and is no longer here: nobody else could give it
 * - `MANIFEST_INVALID`, `DIGEST_INVALID`, `SIZE_INVALID` what was pushed is not what it says it is
 * - `MANIFEST_TOO_LARGE` a manifest beyond the limit
 * - `MANIFEST_BLOB_UNKNOWN` a manifest names content that its repository does not have
 * - `TAG_IMMUTABLE` the tag is one that never moves or goes
 * - `UPLOAD_UNKNOWN` there is no such upload, or it is another client's
 * - `UPLOAD_INVALID` the client's bytes are not those it announced, or stopped coming
 * - `UPLOAD_BUSY` another request writes to the same upload
 * - `RANGE_INVALID` the bytes are not those that come next
 * - `TOO_MANY_UPLOADS` so many were begun that no more may be
 * - `NO_ROOM` the disk has none for it
 * - `DELETES_OFF` nothing may be deleted in that repository
 * - `CONTENT_IN_USE` something else needs what was to be deleted
 */
export type RegistryErrorCode =
  | 'NAME_UNKNOWN'
  | 'MANIFEST_UNKNOWN'
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'RATE_LIMITED'
  | 'UPSTREAM_FAILED'
  | 'UPSTREAM_UNAVAILABLE'
  | 'UPSTREAM_TIMEOUT'
  | 'STORE_FAILED'
  | 'CONTENT_LOST'
  | 'MANIFEST_INVALID'
  | 'DIGEST_INVALID'
  | 'SIZE_INVALID'
  | 'MANIFEST_TOO_LARGE'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'TAG_IMMUTABLE'
  | 'UPLOAD_UNKNOWN'
  | 'UPLOAD_INVALID'
  | 'UPLOAD_BUSY'
  | 'RANGE_INVALID'
  | 'TOO_MANY_UPLOADS'
  | 'NO_ROOM'
  | 'DELETES_OFF'
  | 'CONTENT_IN_USE';

/** The one error that leaves registry/. */
export class RegistryError extends CodedError {
  declare readonly code: RegistryErrorCode;
  /** When it makes sense to ask again. */
  readonly retryAfterMs: number | undefined;
  /** What it is about, one by one, for programs. */
  readonly details: readonly object[];

  constructor(
    code: RegistryErrorCode,
    message: string,
    options: { retryAfterMs?: number | undefined; details?: readonly object[]; cause?: unknown } = {},
  ) {
    super(code, message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? [];
  }
}

/** What was asked for, for saying that it is unknown. */
export type Subject = 'NAME_UNKNOWN' | 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN';

const CODES: Record<Exclude<UpstreamErrorCode, 'NOT_FOUND'>, RegistryErrorCode> = {
  DENIED: 'DENIED',
  CREDENTIALS_REFUSED: 'UPSTREAM_FAILED',
  RATE_LIMITED: 'RATE_LIMITED',
  UNREACHABLE: 'UPSTREAM_FAILED',
  REFUSED: 'UPSTREAM_FAILED',
  INVALID: 'UPSTREAM_FAILED',
  UNAVAILABLE: 'UPSTREAM_UNAVAILABLE',
  TIMEOUT: 'UPSTREAM_TIMEOUT',
};

/** What a client is told to wait when the upstream refused for its rate limit without saying for how long. */
const RATE_LIMITED_MS = 60_000;

/** A download that ended under its readers, which has nothing to do with them: the next one works. */
const PASSING = new Set(['SHUTTING_DOWN', 'NOBODY_READS', 'CONTENT_PASSED']);
const PASSING_MS = 1_000;

/** Gives an error from below this layer's words; what is none of ours stays as it is. */
export function toRegistryError(error: unknown, missing: Subject): unknown {
  if (error instanceof UpstreamError) {
    const code = error.code === 'NOT_FOUND' ? missing : CODES[error.code];
    const retryAfterMs = error.retryAfterMs ?? (code === 'RATE_LIMITED' ? RATE_LIMITED_MS : undefined);
    return new RegistryError(code, error.message, { retryAfterMs, cause: error });
  }
  if (error instanceof ContentError || error instanceof MetadataError) {
    // Its message names our own files, which are no client's business; it is logged with the cause.
    return new RegistryError('STORE_FAILED', 'the store of this mirror cannot be used at the moment', { cause: error });
  }
  if (error instanceof CodedError && PASSING.has(error.code)) {
    return new RegistryError('UPSTREAM_UNAVAILABLE', error.message, { retryAfterMs: PASSING_MS, cause: error });
  }
  return error;
}
