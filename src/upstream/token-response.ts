import { parseJsonObject } from './json-object.ts';

/** A bearer token and for how long it may be used. */
export interface IssuedToken {
  readonly value: string;
  readonly lifetimeMs: number;
}

/** What it is when nothing is said, and the least we believe (distribution, docs/content/spec/auth/token.md). */
const DEFAULT_LIFETIME_S = 60;
const MAX_LIFETIME_S = 24 * 3600;
const MAX_TOKEN_CHARACTERS = 64 * 1024;

/** Reads a token server's answer; undefined if there is no token in it that a header could carry. */
export function parseTokenResponse(body: Uint8Array, nowMs: number): IssuedToken | undefined {
  const answer = parseJsonObject(body);
  const value = [answer?.['token'], answer?.['access_token']].find((each) => typeof each === 'string' && each !== '');
  if (typeof value !== 'string' || value.length > MAX_TOKEN_CHARACTERS || !/^[\x21-\x7e]+$/.test(value))
    return undefined;
  const told = secondsOf(answer?.['expires_in']) ?? jwtLifetime(value, nowMs) ?? DEFAULT_LIFETIME_S;
  return { value, lifetimeMs: Math.min(Math.max(told, DEFAULT_LIFETIME_S), MAX_LIFETIME_S) * 1000 };
}

/** Quay and ACR leave `expires_in` out; the token tells it (RFC 7519 4.1.4). `iat` makes up for a clock that is off. */
function jwtLifetime(token: string, nowMs: number): number | undefined {
  const payload = token.split('.')[1];
  const claims = payload === undefined ? undefined : parseJsonObject(Buffer.from(payload, 'base64url'));
  const expires = secondsOf(claims?.['exp']);
  return expires === undefined ? undefined : expires - (secondsOf(claims?.['iat']) ?? nowMs / 1000);
}

function secondsOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}
