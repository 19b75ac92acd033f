import { parsePlatform, type Platform } from '../../oci/platform.ts';
import { scopeOf, type RuleScope } from '../comparing/rule-scope.ts';
import type { ReplicationRule } from '../rule.ts';
import { compileArtifactFilter, type TakesArtifact } from './artifact-filter.ts';

/** A rule as jobs look at it. */
export interface CompiledRule {
  readonly scope: RuleScope;
  /** None: all. */
  readonly platforms: readonly Platform[];
  readonly takesArtifact: TakesArtifact;
}

/** Compiles the patterns of a rule. */
export function compileRule(rule: ReplicationRule): CompiledRule {
  return {
    scope: scopeOf(rule),
    platforms: rule.platforms.flatMap((text) => parsePlatform(text) ?? []),
    takesArtifact: compileArtifactFilter(rule.artifactTypes),
  };
}
