import { BlockList, isIP } from 'node:net';
import * as z from 'zod';
import type { Secret } from '../util/secret.ts';
import { faultOfBearerToken } from './bearer-token.ts';
import type { AdminConfig, ListenAddress } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { listenAddress } from './listeners.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, map } from './structures.ts';
import { resolveTls, tls } from './tls.ts';

const PATH: KeyPath = ['admin'];
// As many characters as 96 random bits have in base64.
const MIN_TOKEN_LENGTH = 16;
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

const listenSchema = listenAddress().prefault('127.0.0.1:5001');
const adminSchema = map({
  listen: listenSchema,
  tls: tls(),
  // SectionReader.secret reads these.
  token: z.unknown().optional(),
  tokenFile: z.unknown().optional(),
});

/** The admin listener, with its token read and its certificate's files found; without a token it must be on loopback. */
export async function resolveAdmin(value: unknown, reader: SectionReader): Promise<AdminConfig | undefined> {
  reader.read(adminSchema, value, PATH);
  const identity = await resolveTls(value, PATH, reader);
  const token = await resolveToken(value, reader);
  // Read once more by itself: what is wrong elsewhere in the section hides nothing here.
  const listen = reader.read(listenSchema, fieldOf(value, 'listen'), [...PATH, 'listen']);
  if (listen === undefined) return undefined;
  const isTokenRefused = reader.isRefused([...PATH, 'token']) || reader.isRefused([...PATH, 'tokenFile']);
  if (token === undefined && !isTokenRefused && !isLoopback(listen)) {
    const remedy = 'name a file that holds one, or listen on 127.0.0.1';
    reader.refuse([...PATH, 'tokenFile'], `is missing: the API beyond loopback needs a token; ${remedy}`);
  }
  return { listen, ...(identity && { tls: identity }), ...(token && { token }) };
}

async function resolveToken(value: unknown, reader: SectionReader): Promise<Secret | undefined> {
  const token = await reader.secret(value, PATH, 'token');
  const fault = token && faultOfToken(token.reveal());
  if (fault === undefined) return token;
  return reader.refuse([...PATH, fieldOf(value, 'tokenFile') === undefined ? 'token' : 'tokenFile'], fault);
}

function faultOfToken(token: string): string | undefined {
  if (token.length < MIN_TOKEN_LENGTH) return `the token is too short; give at least ${MIN_TOKEN_LENGTH} characters`;
  return faultOfBearerToken(token);
}

function isLoopback({ host }: ListenAddress): boolean {
  if (host === undefined) return false;
  const version = isIP(host);
  return version === 0 ? host === 'localhost' : LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
