import type { Secret } from '../util/secret.ts';

/** What is configured for an upstream. */
export type UpstreamCredentials =
  | { readonly type: 'basic'; readonly username: string; readonly password: Secret }
  /** An OAuth2 refresh token, such as `identitytoken` in Docker's config.json. */
  | { readonly type: 'identityToken'; readonly token: Secret };

/** As whom a request is made. */
export type Identity = 'configured' | 'anonymous';

/** The value of an Authorization header with the Basic scheme (RFC 7617). */
export function basicAuthorization(username: string, password: Secret): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}
