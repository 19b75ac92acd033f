import { CodedError } from '../../util/coded-error.ts';
import type { Answer } from '../answer.ts';
import type { ErrorCode } from '../error-answer.ts';

/** Why a request to the admin API never came as far as an operation. */
export class Refusal extends CodedError {
  declare readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Answer['headers'];

  constructor(status: number, code: ErrorCode, message: string, headers: Answer['headers'] = {}) {
    super(code, message);
    this.status = status;
    this.headers = headers;
  }
}
