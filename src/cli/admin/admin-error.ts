import { CodedError } from '../../util/coded-error.ts';

/** What goes wrong before the mirror itself has said anything. */
const WITHOUT_ANSWER: ReadonlySet<string> = new Set(['NO_ENTREPOT', 'LOST', 'TIMEOUT', 'UNAUTHORIZED']);

/**
 * - `NO_ENTREPOT` nobody answers, or something else does · `LOST` the connection broke · `TIMEOUT` no answer in time
 * - `UNAUTHORIZED` the token is missing or wrong
 * - everything else as the mirror said it: `INVALID`, `NOT_FOUND`, ...
 */
export class AdminError extends CodedError {
  /** Is it about what was asked for, so that something else may still succeed? */
  get isAnswer(): boolean {
    return !WITHOUT_ANSWER.has(this.code);
  }
}
