import { CodedError } from '../../util/coded-error.ts';

/**
 * - `NO_ENTREPOT` nobody answers, or something else does · `LOST` the connection broke · `TIMEOUT` no answer in time
 * - `UNAUTHORIZED` the token is missing or wrong · everything else as the mirror said it
 */
export class AdminError extends CodedError {
  /** Was it about what was asked for, so that the next thing may still succeed? */
  get isAnswer(): boolean {
    return !['NO_ENTREPOT', 'LOST', 'TIMEOUT', 'UNAUTHORIZED'].includes(this.code);
  }
}
