import type * as z from 'zod';
import type { RuleConfig } from './config.ts';
import { canonicalGlob, repositoryGlob, tagGlob } from './globs.ts';
import { duration, oneOf, refuse } from './scalars.ts';
import { list, map } from './structures.ts';

/** What of an upstream a rule may change for some of its repositories. */
const CHANGES = {
  freshFor: duration({ max: 'forever' }).optional(),
  staleWhileRevalidate: duration({ max: 'forever' }).optional(),
  staleIfError: duration({ max: 'forever' }).optional(),
  immutable: list(tagGlob()).optional(),
  onUpstreamDelete: onUpstreamDelete().optional(),
};

/** One of an upstream's rules. */
export const ruleSchema = map({ repositories: list(repositoryGlob(), { min: 1 }), ...CHANGES }).transform(
  (rule, ctx) => {
    const names = Object.keys(CHANGES);
    if (Object.keys(rule).some((key) => names.includes(key))) return rule;
    return refuse(ctx, `changes nothing; give it at least one of ${names.join(', ')}`);
  },
);

export function onUpstreamDelete() {
  return oneOf(['keep', 'drop']);
}

/** A rule with units in its names. @param registry the upstream's name */
export function resolveRule(raw: z.output<typeof ruleSchema>, registry: string): RuleConfig {
  return {
    repositories: raw.repositories.map((pattern) => canonicalGlob(registry, pattern)),
    ...(raw.freshFor !== undefined && { freshForMs: raw.freshFor }),
    ...(raw.staleWhileRevalidate !== undefined && { staleWhileRevalidateMs: raw.staleWhileRevalidate }),
    ...(raw.staleIfError !== undefined && { staleIfErrorMs: raw.staleIfError }),
    ...(raw.immutable && { immutable: raw.immutable }),
    ...(raw.onUpstreamDelete && { onUpstreamDelete: raw.onUpstreamDelete }),
  };
}
