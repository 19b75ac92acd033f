import { type Answer, type Exchange, errorAnswer } from './origin-exchange.ts';
import type { BasicAuthOptions, BearerAuthOptions } from './origin-options.ts';
import { hasCredentials, readBasic, type TokenServer } from './origin-tokens.ts';

/** Says who is let in: `undefined`, or the answer that turns a request away. */
export type Gate = (exchange: Exchange, repository: string | undefined) => Answer | undefined;

/** Demands username and password. */
export function basicGate(options: BasicAuthOptions): Gate {
  return ({ record }) => {
    const login = readBasic(record.headers.authorization);
    if (login !== undefined && hasCredentials(options.credentials, login)) return undefined;
    return errorAnswer(401, 'UNAUTHORIZED', { 'WWW-Authenticate': `Basic realm="${options.realm ?? 'origin'}"` });
  };
}

/** Demands a token of the token server, which is at `realm` unless the options name another one. */
export function bearerGate(options: BearerAuthOptions, tokens: TokenServer, realm: () => string): Gate {
  return ({ record }, repository) => {
    const [, token] = /^Bearer (.+)$/i.exec(record.headers.authorization ?? '') ?? [];
    const verdict = token === undefined ? undefined : tokens.check(token, repository);
    if (verdict === 'ok') return undefined;
    if (verdict === 'invalid_token' && options.invalidToken !== undefined) return options.invalidToken;
    const parameters = [`realm="${options.realm ?? realm()}"`];
    if (options.service !== null) parameters.push(`service="${options.service ?? 'origin'}"`);
    if (repository !== undefined) parameters.push(`scope="repository:${repository}:pull"`);
    if (verdict !== undefined) parameters.push(`error="${verdict}"`);
    const silent = options.challengeEverywhere === false && repository !== undefined;
    const headers: Record<string, string> = silent ? {} : { 'WWW-Authenticate': `Bearer ${parameters.join(',')}` };
    return errorAnswer(401, 'UNAUTHORIZED', headers);
  };
}

/** Lets everyone in. */
export const openGate: Gate = () => undefined;
