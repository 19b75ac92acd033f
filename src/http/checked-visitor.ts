import type { Action, Principal } from '../access/principal.ts';
import type { TokenContent } from '../access/tokens.ts';
import type { AccessRefusal } from './access-refusal.ts';
import type { OneOf, Visitor } from './door.ts';

/** What a door knows of a visitor. */
export interface CheckedVisitorOptions {
  readonly principal: Principal;
  readonly may: Visitor['may'];
  readonly isOpen: Visitor['isOpen'];
  /** What to throw when they may do none of these. */
  readonly refuse: (actions: OneOf, repository: string) => AccessRefusal;
  readonly refusedLogin?: string;
}

/** A visitor whom a door checks each time. */
export class CheckedVisitor implements Visitor {
  readonly #options: CheckedVisitorOptions;
  #required: Visitor['required'];

  constructor(options: CheckedVisitorOptions) {
    this.#options = options;
  }

  get principal(): Principal {
    return this.#options.principal;
  }

  get required(): Visitor['required'] {
    return this.#required;
  }

  get refusedLogin(): string | undefined {
    return this.#options.refusedLogin;
  }

  may(action: Action, repository: string): boolean {
    return this.#options.may(action, repository);
  }

  isOpen(repository: string): boolean {
    return this.#options.isOpen(repository);
  }

  require(actions: Action | OneOf, repository: string): void {
    const asked: OneOf = typeof actions === 'string' ? [actions] : actions;
    const allowed = asked.find((action) => this.may(action, repository));
    // The first one is what the request is about.
    this.#required ??= { action: allowed ?? asked[0], repository };
    if (allowed === undefined) throw this.#options.refuse(asked, repository);
  }
}

/** Does a token list this? */
export function isGranted({ grants }: TokenContent, action: Action, repository: string): boolean {
  return grants.some((grant) => grant.repository === repository && grant.actions.includes(action));
}
