import type { Credentials } from '../access/password-list.ts';

/** What a request says of who sends it. */
export type Authorization =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly credentials: Credentials }
  | { readonly kind: 'bearer'; readonly token: string }
  /** Another scheme, or one of these that cannot be read. */
  | { readonly kind: 'unreadable' };

/** RFC 7617 section 2. */
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;
/** RFC 6750 section 2.1. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Reads the header `Authorization`. */
export function parseAuthorization(header: string | undefined): Authorization {
  if (header === undefined || header.trim() === '') return { kind: 'none' };
  const token = BEARER.exec(header.trim())?.[1];
  if (token !== undefined) return { kind: 'bearer', token };
  const pair = BASIC.exec(header.trim())?.[1];
  const text = pair === undefined ? '' : Buffer.from(pair, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return { kind: 'unreadable' };
  return { kind: 'basic', credentials: { name: text.slice(0, colon), password: text.slice(colon + 1) } };
}
