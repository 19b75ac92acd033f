import { compileGlobs, type Matches } from '../oci/glob.ts';
import type { Repository } from '../oci/repository.ts';
import type { Freshness } from './freshness.ts';

/** What holds for a repository's tags. */
export interface TagRules {
  readonly freshness: Freshness;
  /** Once here, such a tag is never asked about. */
  readonly isImmutable: Matches;
  /** What becomes of a cached tag that the upstream no longer has. */
  readonly onUpstreamDelete: 'keep' | 'drop';
}

/** Rules as they are configured; what one leaves out is as the upstream has it. */
interface RuleOptions {
  readonly freshForMs?: number;
  readonly staleWhileRevalidateMs?: number;
  readonly staleIfErrorMs?: number;
  /** Globs of tags. */
  readonly immutable?: readonly string[];
  readonly onUpstreamDelete?: 'keep' | 'drop';
}

export interface UpstreamRulesOptions extends Required<RuleOptions> {
  /** Globs of repositories, in full or as the upstream names them; empty: all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** The first one that matches a repository counts. */
  readonly rules: readonly (RuleOptions & { readonly repositories: readonly string[] })[];
}

/** What is configured for the repositories of one upstream. */
export class UpstreamRules {
  readonly #options: UpstreamRulesOptions;
  readonly #rules: readonly { matches: Matches; rules: TagRules }[];
  readonly #default: TagRules;
  readonly #isAllowed: Matches;
  readonly #isDenied: Matches;

  constructor(options: UpstreamRulesOptions) {
    this.#options = options;
    this.#default = tagRules(options);
    this.#rules = options.rules.map((rule) => ({
      matches: compileGlobs(rule.repositories),
      rules: tagRules({ ...options, ...rule }),
    }));
    this.#isAllowed = options.allow.length === 0 ? () => true : compileGlobs(options.allow);
    this.#isDenied = compileGlobs(options.deny);
  }

  tags({ name, path }: Repository): TagRules {
    return this.#rules.find(({ matches }) => matches(name) || matches(path))?.rules ?? this.#default;
  }

  /** Why nothing of the repository is given to anyone; undefined if it is. */
  refusal({ name, path, registry }: Repository): string | undefined {
    if (this.#isDenied(name) || this.#isDenied(path)) {
      return `${name} may not be pulled here: it is on the list of upstreams.${registry}.deny`;
    }
    if (this.#options.allow.length === 0 || this.#isAllowed(name) || this.#isAllowed(path)) return undefined;
    return `${name} may not be pulled here: it is not on the list of upstreams.${registry}.allow`;
  }
}

function tagRules(options: Required<RuleOptions>): TagRules {
  const { freshForMs, staleWhileRevalidateMs, staleIfErrorMs, immutable, onUpstreamDelete } = options;
  return {
    freshness: { freshForMs, staleWhileRevalidateMs, staleIfErrorMs },
    isImmutable: compileGlobs(immutable),
    onUpstreamDelete,
  };
}
