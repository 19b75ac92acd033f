import { CodedError } from '../util/coded-error.ts';

/** The command line makes no sense, or something that it needs is not there. */
export class WrongUse extends CodedError {
  constructor(message: string) {
    super('WRONG_USE', message);
  }
}
