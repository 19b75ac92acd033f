import type { IncomingMessage } from 'node:http';
import type { Access } from '../access/access.ts';
import type { Credentials } from '../access/password-list.ts';
import { type Action, ANONYMOUS, type Principal } from '../access/principal.ts';
import type { TokenContent } from '../access/tokens.ts';
import { AccessRefusal } from './access-refusal.ts';
import { parseAuthorization } from './authorization.ts';
import { challengeFor, type ChallengeError, type ChallengeOptions } from './challenge.ts';
import { CheckedVisitor, isGranted } from './checked-visitor.ts';
import type { DistributionRequest } from './distribution-path.ts';
import type { Door, OneOf, Visitor } from './door.ts';
import { failedLogin } from './failed-login.ts';

/** Makes the challenge to one request. */
type Challenge = (error?: ChallengeError) => string;

/** The door that asks who somebody is: everyone needs a token, be it one that says nobody, or a login. */
export class RegistryDoor implements Door {
  readonly #access: Access;
  readonly #options: ChallengeOptions;

  constructor(access: Access, options: ChallengeOptions) {
    this.#access = access;
    this.#options = options;
  }

  async admit(message: IncomingMessage, request: DistributionRequest): Promise<Visitor> {
    const challenge: Challenge = (error) => challengeFor(message, request, this.#options, error);
    const authorization = parseAuthorization(message.headers.authorization);
    switch (authorization.kind) {
      case 'none':
        throw unauthorized('authentication is required', challenge());
      case 'unreadable':
        throw unauthorized('the header Authorization is neither Basic nor Bearer', challenge());
      case 'basic':
        return this.#login(authorization.credentials, message, challenge);
      case 'bearer':
        return this.#bearer(authorization.token, request, challenge);
    }
  }

  async #login(credentials: Credentials, message: IncomingMessage, challenge: Challenge): Promise<Visitor> {
    const address = message.socket.remoteAddress;
    const verdict = await this.#access.login(credentials, { kind: 'asked', address });
    if (verdict.kind !== 'accepted') throw failedLogin(verdict, credentials.name, challenge());
    const { principal } = verdict;
    return new CheckedVisitor({
      principal,
      may: (action, repository) => this.#access.policy.allows(principal, action, repository),
      isOpen: (repository) => this.#isOpen(repository),
      refuse: ([action], repository) => denied(principal, action, repository),
    });
  }

  async #bearer(token: string, request: DistributionRequest, challenge: Challenge): Promise<Visitor> {
    const content = await this.#access.readToken(token);
    if (!content) throw unauthorized('the token is not valid, or its time is over', challenge('invalid_token'));
    if (request.kind === 'catalog' && !content.mayList) {
      throw unauthorized('the token does not list the catalog', challenge('insufficient_scope'));
    }
    const { principal } = content;
    const { policy } = this.#access;
    return new CheckedVisitor({
      principal,
      may: (action, repository) =>
        (request.kind === 'catalog' || isGranted(content, action, repository)) &&
        policy.allows(principal, action, repository),
      isOpen: (repository) => this.#isOpen(repository),
      refuse: (actions, repository) => this.#refuseBearer(content, { actions, repository }, challenge),
    });
  }

  #isOpen(repository: string): boolean {
    return this.#access.policy.allows(ANONYMOUS, 'pull', repository);
  }

  #refuseBearer(
    { principal }: TokenContent,
    { actions, repository }: { actions: OneOf; repository: string },
    challenge: Challenge,
  ): AccessRefusal {
    const unlisted = actions.find((one) => this.#access.policy.allows(principal, one, repository));
    if (unlisted !== undefined) {
      const message = `the token does not list ${unlisted} of "${repository}"`;
      return unauthorized(message, challenge('insufficient_scope'));
    }
    const [action] = actions;
    if (!principal.isAnonymous) return denied(principal, action, repository);
    return new AccessRefusal('UNAUTHORIZED', `without a login nobody may ${action} "${repository}"`, {
      challenge: challenge('insufficient_scope'),
      refused: { who: principal.name, action, repository },
    });
  }
}

/** The client is asked to say who it is, or to come with another token. */
function unauthorized(message: string, challenge: string): AccessRefusal {
  return new AccessRefusal('UNAUTHORIZED', message, { challenge });
}

function denied({ name }: Principal, action: Action, repository: string): AccessRefusal {
  return new AccessRefusal('DENIED', `"${name}" may not ${action} "${repository}"`, {
    refused: { who: name, action, repository },
  });
}
