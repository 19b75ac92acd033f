import type { Action, Principal } from '../access/principal.ts';
import type { TokenContent } from '../access/tokens.ts';
import type { AccessRefusal } from './access-refusal.ts';
import type { Visitor } from './door.ts';

/** What a door knows of a visitor. */
export interface CheckedVisitorOptions {
  readonly principal: Principal;
  readonly may: Visitor['may'];
  readonly isOpen: Visitor['isOpen'];
  /** What to throw when they may not. */
  readonly refuse: (action: Action, repository: string) => AccessRefusal;
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

  require(action: Action, repository: string): void {
    // The first one is what the request is about.
    this.#required ??= { action, repository };
    if (!this.may(action, repository)) throw this.#options.refuse(action, repository);
  }
}

/** Does a token list this? */
export function isGranted({ grants }: TokenContent, action: Action, repository: string): boolean {
  return grants.some((grant) => grant.repository === repository && grant.actions.includes(action));
}
