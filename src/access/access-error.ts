import { CodedError } from '../util/coded-error.ts';

/** A file that access depends on is not as it must be. */
export class AccessError extends CodedError {
  declare readonly code: 'PASSWORDS_UNUSABLE' | 'KEY_UNUSABLE';

  constructor(code: AccessError['code'], message: string, options?: { cause?: unknown }) {
    super(code, message, options);
  }
}
