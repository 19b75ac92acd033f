import * as z from 'zod';
import { refuse, wrongType } from './scalars.ts';

const EXAMPLE = 'https://registry.example.com';

/** The root of a web server: http or https, and nothing after the host and port. Messages never show the value. */
export function rootUrl() {
  return checkedUrl(
    (source) => faultOfRootUrl(source, 'credentials must not be in it; write them under credentials'),
    EXAMPLE,
  );
}

/** Anything of a web server: http or https. Messages never show the value. */
export function webUrl() {
  return checkedUrl((source) => {
    const url = URL.parse(source);
    const fault = faultOfServer(url, 'credentials must not be in it; write them as token');
    return fault ?? (source.includes('#') ? 'must not have a fragment; nothing after # is ever sent' : undefined);
  }, `${EXAMPLE}/events`);
}

/** What makes a text no URL of a server's root. @param onUserInfo the fault if it holds a user; undefined allows one */
export function faultOfRootUrl(source: string, onUserInfo?: string): string | undefined {
  const url = URL.parse(source);
  const fault = faultOfServer(url, onUserInfo);
  if (fault !== undefined) return fault;
  // The parser drops an empty query or fragment: look for their signs.
  if (/[?#]/.test(source)) return 'must not have a query or a fragment; end it after the host and port';
  if (url?.pathname !== '/') return 'must not have a path; end it after the host and port';
  return undefined;
}

function faultOfServer(url: URL | null, onUserInfo?: string): string | undefined {
  if (url === null) return `is not a URL; write for example ${EXAMPLE}`;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must start with http:// or https://';
  return url.username === '' && url.password === '' ? undefined : onUserInfo;
}

function checkedUrl(faultOf: (source: string) => string | undefined, example: string) {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, `a URL; write for example ${example}`));
    const fault = faultOf(value);
    return fault === undefined ? new URL(value) : refuse(ctx, fault);
  });
}
