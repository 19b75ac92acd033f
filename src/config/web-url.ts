import * as z from 'zod';
import { refuse, wrongType } from './scalars.ts';

const EXAMPLE = 'https://registry.example.com';

/** The root of a web server: http or https, and nothing after the host and port. Messages never show the value. */
export function rootUrl() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, `a URL; write for example ${EXAMPLE}`));
    const fault = faultOfRootUrl(value, 'credentials must not be in it; write them under credentials');
    return fault === undefined ? new URL(value) : refuse(ctx, fault);
  });
}

/** What makes a text no URL of a server's root. @param onUserInfo the fault if it holds a user; undefined allows one */
export function faultOfRootUrl(source: string, onUserInfo?: string): string | undefined {
  const url = URL.parse(source);
  if (url === null) return `is not a URL; write for example ${EXAMPLE}`;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must start with http:// or https://';
  if (onUserInfo !== undefined && (url.username !== '' || url.password !== '')) return onUserInfo;
  // The parser drops an empty query or fragment: look for their signs.
  if (/[?#]/.test(source)) return 'must not have a query or a fragment; end it after the host and port';
  if (url.pathname !== '/') return 'must not have a path; end it after the host and port';
  return undefined;
}
