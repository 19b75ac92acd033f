import type { IncomingMessage } from 'node:http';
import { CATALOG_SCOPE } from '../access/scope.ts';
import type { DistributionRequest, PathAddress } from './distribution-path.ts';
import { publicOriginOf } from './public-origin.ts';
import type { ResolveAddress } from './resolve-address.ts';

/** What challenges are made from. */
export interface ChallengeOptions {
  /** The door's URL as clients have it; undefined: as each request has it. */
  readonly publicUrl: URL | undefined;
  readonly resolve: ResolveAddress;
}

/** RFC 6750 section 3.1. */
export type ChallengeError = 'invalid_token' | 'insufficient_scope';

/** Where tokens are. */
export const TOKEN_PATH = '/token';

/**
 * Sends a client to the token end-point for what its request needs (distribution, "Token Authentication"). There is one
 * scheme, and everything is quoted: not every client copes with more.
 */
export function challengeFor(
  message: IncomingMessage,
  request: DistributionRequest,
  { publicUrl, resolve }: ChallengeOptions,
  error?: ChallengeError,
): string {
  const { url, host } = publicOriginOf(message, publicUrl);
  const scope = scopesFor(message, request, resolve).join(' ');
  const parameters = { realm: `${url}${TOKEN_PATH}`, service: host, ...(scope && { scope }), ...(error && { error }) };
  return `Bearer ${Object.entries(parameters)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}`;
}

/** The scopes that a token for a request needs, the most important one first: some clients look at no other. */
function scopesFor(message: IncomingMessage, request: DistributionRequest, resolve: ResolveAddress): string[] {
  if (request.kind === 'catalog') return [CATALOG_SCOPE];
  if (!('address' in request)) return [];
  const name = scopeName(request.address, resolve);
  if (name === undefined) return [];
  const scope = `repository:${name}:${actionsFor(message, request)}`;
  const from = request.kind === 'upload' ? request.mount?.from : undefined;
  const source = from === undefined ? undefined : scopeName({ path: from, namespace: undefined }, resolve);
  return source === undefined ? [scope] : [scope, `repository:${source}:pull`];
}

function actionsFor({ method }: IncomingMessage, { kind }: DistributionRequest): string {
  if (kind === 'upload') return 'pull,push';
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'pull,push';
}

/** The client's own name for the repository, or the full one where the path alone would mean another repository. */
function scopeName(address: PathAddress, resolve: ResolveAddress): string | undefined {
  const repository = resolve(address);
  return address.namespace === undefined && repository ? address.path : repository?.name;
}
