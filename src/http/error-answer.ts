import { OperationError, type OperationErrorCode } from '../registry/operations/operation-error.ts';
import { RegistryError, type RegistryErrorCode } from '../registry/registry-error.ts';
import type { Answer } from './answer.ts';

/**
 * Error codes of the distribution-spec ("Error Codes"), and `UNKNOWN`, which registries use for what has none; `INVALID`
 * and `NOT_FOUND` are the admin API's.
 */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'INVALID'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'NOT_FOUND'
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
  INVALID: { status: 400, code: 'INVALID' },
  NOT_FOUND: { status: 404, code: 'NOT_FOUND' },
};

/** The longest text of a client's that is repeated to it. */
const MAX_MESSAGE_LENGTH = 512;

/** A failure in HTTP's words. */
export interface HttpFailure {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** When it makes sense to ask again. */
  readonly retryAfterMs?: number | undefined;
}

/** What a failure is over HTTP; undefined when the error is none that is meant for clients. */
export function failureOf(error: unknown): HttpFailure | undefined {
  if (!(error instanceof RegistryError) && !(error instanceof OperationError)) return undefined;
  const retryAfterMs = error instanceof RegistryError ? error.retryAfterMs : undefined;
  return { ...STATUSES[error.code], message: error.message, retryAfterMs };
}

/** The answer to a failure; undefined when the error is none that is meant for clients. */
export function answerForError(error: unknown): Answer | undefined {
  const failure = failureOf(error);
  if (failure === undefined) return undefined;
  const { status, code, message, retryAfterMs } = failure;
  if (retryAfterMs === undefined) return errorAnswer(status, code, message);
  return errorAnswer(status, code, message, { 'Retry-After': Math.max(1, Math.ceil(retryAfterMs / 1000)) });
}

/** An error in the shape of the distribution-spec. */
export function errorAnswer(status: number, code: ErrorCode, message: string, headers: Answer['headers'] = {}): Answer {
  const body = Buffer.from(errorJson(code, message));
  return { status, headers: { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers }, body };
}

/** The body of such an error. */
export function errorJson(code: ErrorCode, message: string): string {
  return JSON.stringify({ errors: [{ code, message: message.slice(0, MAX_MESSAGE_LENGTH) }] });
}
