import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access } from '../access/access.ts';
import { grantedScopes, grantScopes } from '../access/grants.ts';
import type { Credentials } from '../access/password-list.ts';
import { ANONYMOUS, type Principal } from '../access/principal.ts';
import { parseScope, type Scope } from '../access/scope.ts';
import type { IssuedToken, TokenContent } from '../access/tokens.ts';
import type { AuditLog } from '../telemetry/audit-log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { AccessRefusal } from './access-refusal.ts';
import type { Answer } from './answer.ts';
import { auditRequest } from './audit-request.ts';
import { parseAuthorization } from './authorization.ts';
import { type ChallengeOptions, TOKEN_PATH } from './challenge.ts';
import { answerForError, errorAnswer } from './error-answer.ts';
import { failedLogin } from './failed-login.ts';
import type { RequestListener } from './listener.ts';
import { publicOriginOf } from './public-origin.ts';
import { readForm } from './read-form.ts';
import { oauthError, tokenAnswer } from './token-answer.ts';

export interface TokenEndpointOptions extends ChallengeOptions {
  readonly access: Access;
  readonly telemetry: Telemetry;
  readonly audit: AuditLog | undefined;
}

/** What a request led to, and the error that the answer tells of. */
interface Outcome {
  readonly answer: Answer;
  /** Whom the token is for. */
  readonly principal?: Principal;
  readonly error?: unknown;
}

/** A push that mounts from some repositories asks for five or so; the token must fit into a header. */
const MAX_SCOPES = 32;
const TOO_MANY_SCOPES = `a token covers ${MAX_SCOPES} scopes at most`;

/** Is this URL for the token end-point? */
export function isTokenUrl(url: string): boolean {
  return url === TOKEN_PATH || url.startsWith(`${TOKEN_PATH}?`);
}

/**
 * Issues tokens by Docker's protocol (distribution, "Token Authentication Specification": GET) and by OAuth2 (the same,
 * "OAuth2 Token Authentication": POST). Anyone gets one; what it covers is what the policy allows of what was asked for.
 */
export function createTokenListener(options: TokenEndpointOptions): RequestListener {
  return (message, response) => void serve(options, message, response);
}

async function serve(options: TokenEndpointOptions, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const startedAt = performance.now();
  const requestId = randomUUID();
  const { answer, principal, error } = await answerTo(options, message);
  if (!response.destroyed) {
    response.writeHead(answer.status, { ...answer.headers, 'X-Request-Id': requestId });
    response.end(answer.body);
  }
  const { audit, telemetry } = options;
  if (audit) auditRequest(audit, { requestId, message, visitor: undefined, reference: undefined, answer, error });
  telemetry.requestAnswered({
    requestId,
    method: message.method ?? '',
    route: 'token',
    upstream: undefined,
    repository: undefined,
    reference: undefined,
    client: message.socket.remoteAddress,
    principal: principal?.name,
    status: answer.status,
    outcome: undefined,
    bytes: 0,
    seconds: (performance.now() - startedAt) / 1000,
    failure: error,
  });
}

async function answerTo(options: TokenEndpointOptions, message: IncomingMessage): Promise<Outcome> {
  try {
    if (message.method === 'GET') return await answerGet(options, message);
    if (message.method === 'POST') return await answerPost(options, message);
    return { answer: errorAnswer(405, 'UNSUPPORTED', 'tokens come by GET and POST', { Allow: 'GET, POST' }) };
  } catch (error) {
    return { answer: answerForError(error) ?? errorAnswer(500, 'UNKNOWN', 'no token could be made'), error };
  }
}

/** @throws AccessRefusal */
async function answerGet(options: TokenEndpointOptions, message: IncomingMessage): Promise<Outcome> {
  const scopes = scopesOf(new URLSearchParams(/\?(.*)$/s.exec(message.url ?? '')?.[1]));
  if (!scopes) return { answer: errorAnswer(400, 'UNSUPPORTED', TOO_MANY_SCOPES) };
  const principal = await principalOf(options, message);
  const { issued } = await issue(options, principal, scopes);
  return { answer: tokenAnswer(issued), principal };
}

async function answerPost(options: TokenEndpointOptions, message: IncomingMessage): Promise<Outcome> {
  const form = await readForm(message);
  // What was not read is on the connection still.
  if (typeof form === 'string') return { answer: oauthError(400, 'invalid_request', form, { Connection: 'close' }) };
  const scopes = scopesOf(form);
  if (!scopes) return { answer: oauthError(400, 'invalid_request', TOO_MANY_SCOPES) };
  const [grantType, name, password] = ['grant_type', 'username', 'password'].map((field) => form.get(field));
  if (!grantType) return { answer: oauthError(400, 'invalid_request', 'grant_type is missing') };
  if (grantType !== 'password') {
    return { answer: oauthError(400, 'unsupported_grant_type', 'tokens are given for user names and passwords only') };
  }
  if (!name || !password) return { answer: oauthError(400, 'invalid_request', 'username or password is missing') };
  try {
    const principal = await login(options, { name, password }, message);
    const { issued, content } = await issue(options, principal, scopes);
    return { answer: tokenAnswer(issued, grantedScopes(scopes, content, resolverIn(options)).join(' ')), principal };
  } catch (error) {
    return { answer: oauthRefusal(error), error };
  }
}

/** Undefined: there are too many. Scopes of kinds that are not known grant nothing. */
function scopesOf(parameters: URLSearchParams): Scope[] | undefined {
  const texts = parameters
    .getAll('scope')
    .flatMap((value) => value.split(' '))
    .filter((text) => text !== '');
  return texts.length > MAX_SCOPES ? undefined : texts.flatMap((text) => parseScope(text) ?? []);
}

async function principalOf(options: TokenEndpointOptions, message: IncomingMessage): Promise<Principal> {
  const authorization = parseAuthorization(message.headers.authorization);
  if (authorization.kind === 'none') return ANONYMOUS;
  if (authorization.kind === 'basic') return login(options, authorization.credentials, message);
  const challenge = basicChallenge(options, message);
  throw new AccessRefusal('UNAUTHORIZED', 'a user name and a password are taken here, or nothing', { challenge });
}

async function login(
  options: TokenEndpointOptions,
  credentials: Credentials,
  message: IncomingMessage,
): Promise<Principal> {
  const verdict = await options.access.login(credentials, { kind: 'asked', address: message.socket.remoteAddress });
  if (verdict.kind === 'accepted') return verdict.principal;
  throw failedLogin(verdict, credentials.name, basicChallenge(options, message));
}

function basicChallenge({ publicUrl }: TokenEndpointOptions, message: IncomingMessage): string {
  return `Basic realm="${publicOriginOf(message, publicUrl).host}", charset="UTF-8"`;
}

async function issue(
  options: TokenEndpointOptions,
  principal: Principal,
  scopes: readonly Scope[],
): Promise<{ issued: IssuedToken; content: TokenContent }> {
  const { access } = options;
  const content = grantScopes(scopes, principal, { policy: access.policy, resolve: resolverIn(options) });
  return { issued: await access.issueToken(content), content };
}

function resolverIn({ resolve }: TokenEndpointOptions): (path: string) => ReturnType<typeof resolve> {
  return (path) => resolve({ path, namespace: undefined });
}

function oauthRefusal(error: unknown): Answer {
  const answer = answerForError(error);
  if (!answer || !(error instanceof AccessRefusal)) throw error;
  const code = error.code === 'TOOMANYREQUESTS' ? 'temporarily_unavailable' : 'invalid_grant';
  const { 'Content-Length': _, ...headers } = answer.headers;
  return oauthError(answer.status, code, error.message, headers);
}
