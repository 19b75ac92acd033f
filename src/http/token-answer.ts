import type { IssuedToken } from '../access/tokens.ts';
import type { Answer } from './answer.ts';

/** RFC 6749 section 5.1. */
const NO_STORE = { 'Cache-Control': 'no-store', 'Content-Type': 'application/json' } as const;

/** Error codes of RFC 6749 section 5.2, and one of section 4.1.2.1 for what may work later. */
export type OAuthErrorCode = 'invalid_grant' | 'invalid_request' | 'temporarily_unavailable' | 'unsupported_grant_type';

/**
 * A token in the words of both protocols: clients look for `token`, for `access_token`, or for either (distribution,
 * "Token Authentication Specification" and "OAuth2 Token Authentication").
 * @param scope what it covers, for OAuth2
 */
export function tokenAnswer({ token, issuedAtMs, lifeSeconds }: IssuedToken, scope?: string): Answer {
  return jsonAnswer(200, {
    token,
    access_token: token,
    ...(scope === undefined ? {} : { token_type: 'Bearer', scope }),
    expires_in: lifeSeconds,
    issued_at: new Date(issuedAtMs).toISOString(),
  });
}

/** A refusal in the shape of RFC 6749 section 5.2. */
export function oauthError(
  status: number,
  error: OAuthErrorCode,
  description: string,
  headers: Answer['headers'] = {},
): Answer {
  return jsonAnswer(status, { error, error_description: description }, headers);
}

function jsonAnswer(status: number, value: object, headers: Answer['headers'] = {}): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { ...NO_STORE, 'Content-Length': body.length, ...headers }, body };
}
