import { compileGlobs, type Matches } from '../../oci/glob.ts';
import { takesAllTags } from '../../oci/tag-pattern.ts';
import { compileTagFilter } from '../tag-filter.ts';
import { attachedTo } from '../../registry/pushing/choose-expired.ts';
import type { ReplicationRule } from '../rule.ts';

/** What a rule is about. */
export interface RuleScope {
  readonly rule: ReplicationRule;
  /** @param repository its name in full */
  readonly takesRepository: Matches;
  /**
   * What is attached to a manifest by its tag's name goes with that manifest: a rule that takes some tags only does not
   * take it for its name.
   */
  readonly takesTag: Matches;
  /** All tags, and images that have none. */
  readonly takesAll: boolean;
  /** A repository's name at the peers. */
  readonly nameAtPeer: (repository: string) => string;
}

/** Compiles the patterns of a rule. */
export function scopeOf(rule: ReplicationRule): RuleScope {
  const takesAll = takesAllTags(rule.tags);
  const matches = compileTagFilter(rule.tags);
  return {
    rule,
    takesRepository: compileGlobs(rule.repositories),
    takesTag: takesAll ? () => true : (tag) => attachedTo(tag) === undefined && matches(tag),
    takesAll,
    nameAtPeer: (repository) => rule.as.replaceAll('{repository}', () => repository),
  };
}
