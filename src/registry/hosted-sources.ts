import { compileGlobs, type Matches } from '../oci/glob.ts';
import type { Repository } from '../oci/repository.ts';
import { SiblingSource } from '../upstream/sibling-source.ts';
import type { Siblings } from '../upstream/siblings.ts';

/** Which other sites may have what is pushed to some repositories; the first rule whose globs match counts. */
export interface HostedSourceRule {
  /** Globs of repositories, in full. */
  readonly repositories: readonly string[];
  /** Undefined: none. */
  readonly siblings: Siblings | undefined;
}

/** Where content of hosted repositories may be that has not arrived here yet, or was lost here. */
export class HostedSources {
  readonly #rules: readonly { readonly matches: Matches; readonly siblings: Siblings | undefined }[];

  constructor(rules: readonly HostedSourceRule[]) {
    this.#rules = rules.map(({ repositories, siblings }) => ({ matches: compileGlobs(repositories), siblings }));
  }

  /** Undefined: nowhere else. */
  of({ registry, name }: Repository): SiblingSource | undefined {
    const siblings = this.#rules.find(({ matches }) => matches(name))?.siblings;
    return siblings && new SiblingSource(registry, siblings);
  }
}
