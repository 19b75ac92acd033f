// RFC 6750 section 2.1, b64token: what can follow "Bearer".
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** What makes a text unfit to be sent as a bearer token. */
export function faultOfBearerToken(token: string): string | undefined {
  return BEARER_TOKEN.test(token)
    ? undefined
    : 'the token has a character that no bearer token can have; use letters, digits and . _ ~ + / -';
}
