import type { IncomingMessage } from 'node:http';
import type { Access } from '../access/access.ts';
import { type Action, ANONYMOUS, type Principal } from '../access/principal.ts';
import { AccessRefusal } from './access-refusal.ts';
import { parseAuthorization } from './authorization.ts';
import { CheckedVisitor, isGranted } from './checked-visitor.ts';
import type { Door, Visitor } from './door.ts';

/**
 * The door that never asks who somebody is: a client that is asked would send what it has, such as the password of Docker
 * Hub or a cluster's pull secret. Credentials that come unasked count if they are right.
 */
export class MirrorDoor implements Door {
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  async admit(message: IncomingMessage): Promise<Visitor> {
    const authorization = parseAuthorization(message.headers.authorization);
    if (authorization.kind === 'bearer') return this.#bearer(authorization.token);
    if (authorization.kind !== 'basic') return this.#visitor(ANONYMOUS);
    const { credentials } = authorization;
    const address = message.socket.remoteAddress;
    const verdict = await this.#access.login(credentials, { kind: 'unasked', address });
    if (verdict.kind === 'accepted') return this.#visitor(verdict.principal);
    // Told once: a client that has the wrong ones sends them with each request.
    const isNews = verdict.kind === 'refused' && verdict.isCompared;
    return this.#visitor(ANONYMOUS, isNews ? { refusedLogin: credentials.name } : {});
  }

  async #bearer(token: string): Promise<Visitor> {
    const content = await this.#access.readToken(token);
    if (!content) return this.#visitor(ANONYMOUS);
    const { policy } = this.#access;
    return this.#visitor(content.principal, {
      // A token that lists little is no reason to do less than what anybody can have done.
      may: (action, repository) =>
        policy.allows(ANONYMOUS, action, repository) ||
        (isGranted(content, action, repository) && policy.allows(content.principal, action, repository)),
    });
  }

  #visitor(principal: Principal, more: { may?: Visitor['may']; refusedLogin?: string } = {}): Visitor {
    return new CheckedVisitor({
      principal,
      may: (action, repository) => this.#access.policy.allows(principal, action, repository),
      isOpen: (repository) => this.#access.policy.allows(ANONYMOUS, 'pull', repository),
      refuse: ([action], repository) => refusal(principal, action, repository),
      ...more,
    });
  }
}

function refusal({ name, isAnonymous }: Principal, action: Action, repository: string): AccessRefusal {
  const message = isAnonymous
    ? `without a login nobody may ${action} "${repository}", and this address asks for none`
    : `"${name}" may not ${action} "${repository}"`;
  return new AccessRefusal('DENIED', message, { refused: { who: name, action, repository } });
}
