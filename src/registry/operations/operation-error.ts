import { CodedError } from '../../util/coded-error.ts';

/** - `INVALID` what was asked for makes no sense · `NOT_FOUND` there is no such thing here */
export type OperationErrorCode = 'INVALID' | 'NOT_FOUND';

/** An operator asked for something that cannot be. */
export class OperationError extends CodedError {
  declare readonly code: OperationErrorCode;

  constructor(code: OperationErrorCode, message: string) {
    super(code, message);
  }
}
