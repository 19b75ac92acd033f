import type { IncomingMessage } from 'node:http';
import type { Action, Principal } from '../access/principal.ts';
import type { DistributionRequest } from './distribution-path.ts';

/** Actions of which one is enough. */
export type OneOf = readonly [Action, ...Action[]];

/** Who asks, and what they may do here. */
export interface Visitor {
  readonly principal: Principal;
  /** @param repository its name in full */
  may(action: Action, repository: string): boolean;
  /** @param actions several: one of them is enough @param repository its name in full @throws AccessRefusal */
  require(actions: Action | OneOf, repository: string): void;
  /** May anybody pull from it, whoever they are and whatever their token lists? @param repository its name in full */
  isOpen(repository: string): boolean;
  /** What {@link require} was first asked for, for the audit log; of several the one that was allowed. */
  readonly required?: { readonly action: Action; readonly repository: string } | undefined;
  /** The name of a login that was refused, so that the visitor counts as anonymous. */
  readonly refusedLogin?: string | undefined;
}

/** Where requests come in. */
export interface Door {
  /** @throws AccessRefusal */
  admit(message: IncomingMessage, request: DistributionRequest): Promise<Visitor>;
}
