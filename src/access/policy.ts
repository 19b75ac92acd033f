import { compileGlobs, type Matches } from '../oci/glob.ts';
import type { Action, Principal } from './principal.ts';

/** One rule of who may do what where. */
export interface PolicyRuleOptions {
  /** Names of principals; `anonymous` is everyone, `authenticated` everyone who is logged in. */
  readonly who: readonly string[];
  readonly may: readonly Action[];
  readonly mayNot: readonly Action[];
  /** Globs of repositories in full. */
  readonly in: readonly string[];
}

/** Names that mean groups in rules, so that no user can have them. */
export const GROUP_NAMES: ReadonlySet<string> = new Set(['anonymous', 'authenticated']);

/** What holds when nothing is configured. */
const EVERYONE_PULLS: readonly PolicyRuleOptions[] = [{ who: ['anonymous'], may: ['pull'], mayNot: [], in: ['**'] }];

interface Rule {
  readonly who: ReadonlySet<string>;
  readonly may: ReadonlySet<Action>;
  readonly mayNot: ReadonlySet<Action>;
  readonly isIn: Matches;
}

/** Who may do what: the first rule that is about principal, action and repository decides; without one, nobody may. */
export class Policy {
  readonly #rules: readonly Rule[];

  /** @param rules undefined: everyone may pull, nobody may do anything else */
  constructor(rules: readonly PolicyRuleOptions[] = EVERYONE_PULLS) {
    this.#rules = rules.map((rule) => ({
      who: new Set(rule.who),
      may: new Set(rule.may),
      mayNot: new Set(rule.mayNot),
      isIn: compileGlobs(rule.in),
    }));
  }

  /** @param repository its name in full */
  allows(principal: Principal, action: Action, repository: string): boolean {
    for (const { who, may, mayNot, isIn } of this.#rules) {
      const isRefused = mayNot.has(action);
      if ((isRefused || may.has(action)) && isAmong(who, principal) && isIn(repository)) return !isRefused;
    }
    return false;
  }
}

function isAmong(who: ReadonlySet<string>, { name, isAnonymous }: Principal): boolean {
  if (who.has('anonymous')) return true;
  return !isAnonymous && (who.has('authenticated') || who.has(name));
}
