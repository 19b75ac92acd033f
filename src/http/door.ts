import type { IncomingMessage } from 'node:http';
import type { Action, Principal } from '../access/principal.ts';
import type { DistributionRequest } from './distribution-path.ts';

/** Who asks, and what they may do here. */
export interface Visitor {
  readonly principal: Principal;
  /** @param repository its name in full */
  may(action: Action, repository: string): boolean;
  /** @param repository its name in full @throws AccessRefusal */
  require(action: Action, repository: string): void;
  /** May anybody pull from it, whoever they are and whatever their token lists? @param repository its name in full */
  isOpen(repository: string): boolean;
  /** What {@link require} was last asked for, for the audit log. */
  readonly required?: { readonly action: Action; readonly repository: string } | undefined;
  /** The name of a login that was refused, so that the visitor counts as anonymous. */
  readonly refusedLogin?: string | undefined;
}

/** Where requests come in. */
export interface Door {
  /** @throws AccessRefusal */
  admit(message: IncomingMessage, request: DistributionRequest): Promise<Visitor>;
}
