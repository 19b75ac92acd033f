import type * as z from 'zod';
import type { HostedRuleConfig, RetentionConfig } from './config.ts';
import { isWithinReach, repositoryGlob, tagGlob } from './globs.ts';
import { count, duration, flag, refuse, text } from './scalars.ts';
import { schedule } from './schedule.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, itemsOf, list, map } from './structures.ts';

const KEEPERS = {
  keepLast: count(1, 1_000_000).optional(),
  keepTags: list(tagGlob(), { min: 1 }).optional(),
  keepPulledWithin: duration({ min: '1s', max: '36500d' }).optional(),
  keepYoungerThan: duration({ min: '1s', max: '36500d' }).optional(),
};

// With nothing to keep by, all tags would go.
const retentionSchema = map(KEEPERS).transform((raw, ctx): RetentionConfig => {
  const { keepLast, keepTags, keepPulledWithin, keepYoungerThan } = raw;
  if (Object.keys(raw).length === 0) return refuse(ctx, `keeps nothing; give it at least one of ${namesOf(KEEPERS)}`);
  return {
    ...(keepLast !== undefined && { keepLast }),
    ...(keepTags && { keepTags }),
    ...(keepPulledWithin !== undefined && { keepPulledWithinMs: keepPulledWithin }),
    ...(keepYoungerThan !== undefined && { keepYoungerThanMs: keepYoungerThan }),
  };
});

const CHANGES = {
  immutable: list(tagGlob()).optional(),
  deletes: flag().optional(),
  sparse: flag().optional(),
  siblings: list(text()).optional(),
  retention: retentionSchema.optional(),
};

const ruleSchema = map({ repositories: list(repositoryGlob(), { min: 1 }), ...CHANGES }).transform(
  (rule, ctx): HostedRuleConfig => {
    const { repositories, immutable = [], deletes = true, sparse = false, siblings = [], retention } = rule;
    const isIdle = Object.keys(rule).every((key) => !(key in CHANGES));
    if (isIdle) return refuse(ctx, `changes nothing; give it at least one of ${namesOf(CHANGES)}`);
    return { repositories, immutable, deletes, sparse, siblings, ...(retention && { retention }) };
  },
);

export const hostedRulesSchema = list(ruleSchema).prefault([]);

/** When the tags that no rule keeps go. */
export const retentionSectionSchema = map({ schedule: schedule().prefault('30 3 * * *') });

/** Refuses patterns that match nothing that is hosted. Looks at what was written, the namespaces too. */
export function checkHostedRules(rules: unknown, hosted: readonly string[], reader: SectionReader): void {
  for (const [index, rule] of itemsOf(rules).entries()) {
    for (const [position, pattern] of itemsOf(fieldOf(rule, 'repositories')).entries()) {
      if (typeof pattern !== 'string' || hosted.some((namespace) => isWithinReach(namespace, pattern))) continue;
      const remedy =
        hosted.length === 0
          ? 'name a namespace under hosted first'
          : `begin it with one of ${hosted.join(', ')}, for example "${hosted[0]}/**"`;
      reader.refuse(['hostedRules', index, 'repositories', position], `matches nothing that is hosted; ${remedy}`);
    }
  }
}

function namesOf(shape: z.ZodRawShape): string {
  return Object.keys(shape).join(', ');
}
