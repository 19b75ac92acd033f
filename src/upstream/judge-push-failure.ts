import { UpstreamError } from './upstream-error.ts';

/** How the push of a blob goes on after a request of its upload failed. */
export type PushVerdict =
  /** The upload is as it was, for the next push. */
  | 'leave'
  /** It is of no use any more. */
  | 'giveUp'
  /** Begin another one. */
  | 'restart'
  /** The same, unless the blob is there: an answer may have been lost. */
  | 'lookFirst'
  /** Ask the registry where the upload stands, and go on there. */
  | 'ask';

export interface PushProgress {
  /** Bytes of earlier requests are in the upload. */
  readonly isResumed: boolean;
  /** Was another upload begun already in place of one that failed? */
  readonly hasRestarted: boolean;
  /** How often the registry was asked already. */
  readonly asked: number;
}

/** Enough for one that is still busy with the bytes of a broken connection, and for one that takes no PUT of a rest. */
const MAX_ASKED = 3;
/** Too large or no room, and somebody else is writing: the upload is none the worse for it. */
const LEFT_ALONE = new Set([409, 413, 507]);
const NO_SUCH_UPLOAD = new Set([404, 410]);

/** Decides it by what the registry said. */
export function judgePushFailure(error: unknown, progress: PushProgress): PushVerdict {
  if (!(error instanceof UpstreamError)) return 'leave';
  const { isResumed, hasRestarted } = progress;
  // An upload that can't be gone on with would be tried for ever if the registry fails at it each time.
  if (error.code === 'UNAVAILABLE') return isResumed && error.status === 500 ? 'giveUp' : 'leave';
  if (error.code === 'INVALID') return 'giveUp';
  if (error.code !== 'REFUSED' || LEFT_ALONE.has(error.status ?? 0)) return 'leave';
  if (NO_SUCH_UPLOAD.has(error.status ?? 0)) return hasRestarted ? 'giveUp' : 'lookFirst';
  // What was put together of several requests may have come together wrong.
  if (error.reason === 'DIGEST_INVALID') return isResumed && !hasRestarted ? 'restart' : 'giveUp';
  return isResumed && progress.asked < MAX_ASKED ? 'ask' : 'giveUp';
}
