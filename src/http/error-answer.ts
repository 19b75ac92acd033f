import { OperationError, type OperationErrorCode } from '../registry/operations/operation-error.ts';
import { RegistryError, type RegistryErrorCode } from '../registry/registry-error.ts';
import { AccessRefusal, type AccessRefusalCode } from './access-refusal.ts';
import type { Answer } from './answer.ts';

/**
 * Error codes of the distribution-spec ("Error Codes"), and `UNKNOWN`, which registries use for what has none; `INVALID`
 * and `NOT_FOUND` are the admin API's.
 */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'NOT_FOUND'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNKNOWN'
  | 'UNSUPPORTED';

/** What each failure of the registry is over HTTP. A failure of an upstream is never told as 404. */
const STATUSES: Record<RegistryErrorCode | OperationErrorCode, { status: number; code: ErrorCode }> = {
  NAME_UNKNOWN: { status: 404, code: 'NAME_UNKNOWN' },
  MANIFEST_UNKNOWN: { status: 404, code: 'MANIFEST_UNKNOWN' },
  BLOB_UNKNOWN: { status: 404, code: 'BLOB_UNKNOWN' },
  DENIED: { status: 403, code: 'DENIED' },
  RATE_LIMITED: { status: 429, code: 'TOOMANYREQUESTS' },
  UPSTREAM_FAILED: { status: 502, code: 'UNKNOWN' },
  UPSTREAM_UNAVAILABLE: { status: 503, code: 'UNKNOWN' },
  UPSTREAM_TIMEOUT: { status: 504, code: 'UNKNOWN' },
  STORE_FAILED: { status: 503, code: 'UNKNOWN' },
  CONTENT_LOST: { status: 503, code: 'UNKNOWN' },
  MANIFEST_INVALID: { status: 400, code: 'MANIFEST_INVALID' },
  DIGEST_INVALID: { status: 400, code: 'DIGEST_INVALID' },
  SIZE_INVALID: { status: 400, code: 'SIZE_INVALID' },
  MANIFEST_TOO_LARGE: { status: 413, code: 'SIZE_INVALID' },
  // The code that the specification demands, with the status that its table of end-points gives.
  MANIFEST_BLOB_UNKNOWN: { status: 404, code: 'MANIFEST_BLOB_UNKNOWN' },
  TAG_IMMUTABLE: { status: 403, code: 'DENIED' },
  UPLOAD_UNKNOWN: { status: 404, code: 'BLOB_UPLOAD_UNKNOWN' },
  UPLOAD_INVALID: { status: 400, code: 'BLOB_UPLOAD_INVALID' },
  UPLOAD_BUSY: { status: 409, code: 'BLOB_UPLOAD_INVALID' },
  RANGE_INVALID: { status: 416, code: 'BLOB_UPLOAD_INVALID' },
  TOO_MANY_UPLOADS: { status: 429, code: 'TOOMANYREQUESTS' },
  NO_ROOM: { status: 413, code: 'DENIED' },
  DELETES_OFF: { status: 405, code: 'UNSUPPORTED' },
  CONTENT_IN_USE: { status: 405, code: 'DENIED' },
  INVALID: { status: 400, code: 'INVALID' },
  NOT_FOUND: { status: 404, code: 'NOT_FOUND' },
};

const REFUSAL_STATUSES: Record<AccessRefusalCode, number> = { UNAUTHORIZED: 401, DENIED: 403, TOOMANYREQUESTS: 429 };

/** The longest text of a client's that is repeated to it. */
const MAX_MESSAGE_LENGTH = 512;

/** A failure in HTTP's words. */
export interface HttpFailure {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** When it makes sense to ask again. */
  readonly retryAfterMs?: number | undefined;
  /** The value of `WWW-Authenticate`. */
  readonly challenge?: string | undefined;
  /** What it is about, one by one. */
  readonly details?: readonly object[];
}

/** What a failure is over HTTP; undefined when the error is none that is meant for clients. */
export function failureOf(error: unknown): HttpFailure | undefined {
  if (error instanceof AccessRefusal) {
    const { code, message, retryAfterMs, challenge } = error;
    return { status: REFUSAL_STATUSES[code], code, message, retryAfterMs, challenge };
  }
  if (!(error instanceof RegistryError) && !(error instanceof OperationError)) return undefined;
  const { retryAfterMs, details } = error instanceof RegistryError ? error : {};
  return { ...STATUSES[error.code], message: error.message, retryAfterMs, ...(details?.length && { details }) };
}

/** The answer to a failure; undefined when the error is none that is meant for clients. */
export function answerForError(error: unknown): Answer | undefined {
  const failure = failureOf(error);
  if (failure === undefined) return undefined;
  const { status, code, message, retryAfterMs, challenge, details } = failure;
  const body = Buffer.from(errorJson(code, message, details));
  return bodyAnswer(status, body, {
    // RFC 9110 15.5.6: what is possible where this is not.
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
    ...(challenge === undefined ? {} : { 'WWW-Authenticate': challenge }),
    ...(retryAfterMs === undefined ? {} : { 'Retry-After': Math.max(1, Math.ceil(retryAfterMs / 1000)) }),
  });
}

/** An error in the shape of the distribution-spec. */
export function errorAnswer(status: number, code: ErrorCode, message: string, headers: Answer['headers'] = {}): Answer {
  return bodyAnswer(status, Buffer.from(errorJson(code, message)), headers);
}

/** The body of such an error: one for each detail, if there are some. */
export function errorJson(code: ErrorCode, message: string, details: readonly object[] = []): string {
  const error = { code, message: message.slice(0, MAX_MESSAGE_LENGTH) };
  return JSON.stringify({ errors: details.length === 0 ? [error] : details.map((detail) => ({ ...error, detail })) });
}

function bodyAnswer(status: number, body: Uint8Array, headers: Answer['headers']): Answer {
  return { status, headers: { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers }, body };
}
