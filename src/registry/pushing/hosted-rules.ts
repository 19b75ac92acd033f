import { compileGlobs, type Matches } from '../../oci/glob.ts';

/** Which tags and untagged manifests stay when the others go: those that any of these keeps. */
export interface RetentionOptions {
  /** So many tags of each repository: those that were moved last. */
  readonly keepLast?: number;
  /** Globs of tags. */
  readonly keepTags?: readonly string[];
  readonly keepPulledWithinMs?: number;
  readonly keepYoungerThanMs?: number;
}

/** What holds for pushes to some hosted repositories; the first rule whose globs match counts. */
export interface HostedRuleOptions {
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Globs of tags that are never moved or deleted. */
  readonly immutable?: readonly string[];
  /** Default true: clients may delete manifests, tags and blobs. */
  readonly deletes?: boolean;
  /** Default false: a manifest may name content that is not here. */
  readonly sparse?: boolean;
  /** Nothing given: all tags stay. */
  readonly retention?: RetentionOptions;
}

/** What holds for one repository. */
export interface HostedRule {
  /** Is this a tag that is never moved or deleted? */
  readonly isImmutable: Matches;
  /** There are such tags. */
  readonly hasImmutable: boolean;
  readonly allowsDeletes: boolean;
  readonly isSparse: boolean;
  readonly retention: RetentionOptions | undefined;
}

const DEFAULT_RULE = ruleOf({ repositories: [] });

/** The rules of hosted repositories. */
export class HostedRules {
  readonly #rules: readonly { readonly matches: Matches; readonly rule: HostedRule }[];

  constructor(rules: readonly HostedRuleOptions[]) {
    this.#rules = rules.map((options) => ({ matches: compileGlobs(options.repositories), rule: ruleOf(options) }));
  }

  /** @param repository its name in full */
  of(repository: string): HostedRule {
    return this.#rules.find(({ matches }) => matches(repository))?.rule ?? DEFAULT_RULE;
  }
}

function ruleOf({ immutable = [], deletes = true, sparse = false, retention }: HostedRuleOptions): HostedRule {
  return {
    isImmutable: compileGlobs(immutable),
    hasImmutable: immutable.length > 0,
    allowsDeletes: deletes,
    isSparse: sparse,
    retention,
  };
}
