import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import type { Secret } from '../../util/secret.ts';
import { Refusal } from './refusal.ts';

/** May this request use the API? Undefined if so. */
export type Admission = (message: IncomingMessage) => Refusal | undefined;

/** RFC 6750 section 2.1; what the token itself may hold is the configuration's business. */
const BEARER = /^Bearer +(.+)$/i;
const HOST = /^(\[[^\]]*\]|[^:[\]]*)(?::\d+)?$/;

/**
 * Who may use the API: whoever has the token; without one every program of this machine, but no web page that a browser
 * on this machine shows.
 */
export function admissionBy(token: Secret | undefined): Admission {
  return token === undefined ? refusePages : bearersOf(token);
}

function bearersOf(token: Secret): Admission {
  const wanted = hashOf(token.reveal());
  return ({ headers: { authorization } }) => {
    const given = BEARER.exec(authorization ?? '')?.[1];
    // Hashes have the same length: neither the token's length nor its beginning can be found out by the time it takes.
    if (given !== undefined && timingSafeEqual(hashOf(given), wanted)) return undefined;
    const message =
      given === undefined ? 'the admin API demands a bearer token' : 'this is not the token of the admin API';
    return new Refusal(401, 'UNAUTHORIZED', message, { 'WWW-Authenticate': 'Bearer' });
  };
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Browsers let any page send requests to loopback. They say which site it is from (`Origin`, `Sec-Fetch-Site`); a page
 * that has its own name resolved to 127.0.0.1 is betrayed by `Host`.
 */
function refusePages({ headers }: IncomingMessage): Refusal | undefined {
  const host = headers.host ?? '';
  if (!isLoopback(host)) {
    const message = `without admin.tokenFile the admin API answers to loopback names only, such as localhost, not to "${host}"`;
    return new Refusal(403, 'DENIED', message);
  }
  const { origin, 'sec-fetch-site': site } = headers;
  const isForeign = (origin !== undefined && hostOf(origin) !== host) || !isOwnSite(site);
  return isForeign ? new Refusal(403, 'DENIED', 'the admin API does not answer to pages of other sites') : undefined;
}

function isLoopback(host: string): boolean {
  const name = (HOST.exec(host)?.[1] ?? '').toLowerCase().replace(/\.$/, '');
  // RFC 6761 section 6.3: every name below localhost is loopback.
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || isLoopbackIPv4(name);
}

function isLoopbackIPv4(name: string): boolean {
  return isIPv4(name) && name.startsWith('127.');
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

/** `none`: the user typed the address. Programs send nothing. */
function isOwnSite(site: string | string[] | undefined): boolean {
  return site === undefined || site === 'same-origin' || site === 'none';
}
