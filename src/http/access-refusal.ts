import type { Action } from '../access/principal.ts';
import { CodedError } from '../util/coded-error.ts';

/** 401, 403 and 429. */
export type AccessRefusalCode = 'UNAUTHORIZED' | 'DENIED' | 'TOOMANYREQUESTS';

/** What a refusal tells besides its message. */
export interface AccessRefusalDetails {
  /** The value of `WWW-Authenticate`, which every 401 has. */
  readonly challenge?: string;
  /** When it makes sense to try again. */
  readonly retryAfterMs?: number;
  /** Who was refused, for the audit log. Undefined: a client that was merely asked to say who it is, as each is at first. */
  readonly refused?: { readonly who: string; readonly action: Action | 'login'; readonly repository?: string };
}

/** A door lets nobody in, or a visitor may not do this. */
export class AccessRefusal extends CodedError {
  declare readonly code: AccessRefusalCode;
  readonly challenge: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly refused: AccessRefusalDetails['refused'];

  constructor(code: AccessRefusalCode, message: string, details: AccessRefusalDetails = {}) {
    super(code, message);
    this.challenge = details.challenge;
    this.retryAfterMs = details.retryAfterMs;
    this.refused = details.refused;
  }
}
