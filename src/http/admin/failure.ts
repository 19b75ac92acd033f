import { toRegistryError } from '../../registry/registry-error.ts';
import type { Answer } from '../answer.ts';
import { answerForError, errorAnswer, failureOf, type HttpFailure } from '../error-answer.ts';
import { Refusal } from './refusal.ts';

const BUG: HttpFailure = { status: 500, code: 'UNKNOWN', message: 'the mirror failed; its log says why' };
/** Nobody is there to be told; for the log, in nginx's number. */
const CLIENT_LEFT: HttpFailure = { status: 499, code: 'UNKNOWN', message: 'the client left before the end' };
/** What Node says of a connection that ended while it was read or written, and what we say. */
const CLIENT_LEFT_CODES: ReadonlySet<unknown> = new Set([
  'CLIENT_LEFT',
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** What to say of a failure whatever it is. */
export function describeFailure(error: unknown): HttpFailure {
  if (error instanceof Refusal) return error;
  if (CLIENT_LEFT_CODES.has((error as { code?: unknown } | undefined)?.code)) return CLIENT_LEFT;
  return failureOf(translated(error)) ?? BUG;
}

/** The answer to a failure whatever it is. */
export function answerToFailure(error: unknown): Answer {
  const known = error instanceof Refusal ? undefined : answerForError(translated(error));
  if (known) return known;
  const { status, code, message } = describeFailure(error);
  return errorAnswer(status, code, message, error instanceof Refusal ? error.headers : {});
}

/** Operations let errors of the layers below the registry through. */
function translated(error: unknown): unknown {
  return toRegistryError(error, 'MANIFEST_UNKNOWN');
}
