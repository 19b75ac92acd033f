import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Here } from './here.ts';
import type { DeletedTag } from './jobs.ts';
import type { RuleScope } from './rule-scope.ts';

const PAGE = 100;

/** Names of the repositories that a rule is about and that have lost tags, in byte order. Some hold nothing any more. */
export async function* repositoriesWithTombstones({ index }: Here, scope: RuleScope): AsyncGenerator<string, void> {
  let names: readonly string[];
  let after = '';
  do {
    names = await index.listTombstoneRepositories({ after, limit: PAGE });
    yield* names.filter(scope.takesRepository);
    after = names.at(-1) ?? after;
    await nextTurn();
  } while (names.length === PAGE);
}

/** Tags that were deleted here, if the rule passes that on: in pages, each of one repository, with turns in between. */
export async function* deletedTags(here: Here, scope: RuleScope): AsyncGenerator<readonly DeletedTag[], void> {
  if (!scope.rule.deletes) return;
  for await (const repository of repositoriesWithTombstones(here, scope)) yield* deletedIn(here, scope, repository);
}

async function* deletedIn(
  { index }: Here,
  scope: RuleScope,
  repository: string,
): AsyncGenerator<readonly DeletedTag[], void> {
  let rows: readonly Omit<DeletedTag, 'repository'>[];
  let after = '';
  do {
    rows = await index.listTombstones({ repository, after, limit: PAGE });
    const taken = rows.filter(({ tag }) => scope.takesTag(tag));
    if (taken.length > 0) yield taken.map(({ tag, digest, deletedAtMs }) => ({ repository, tag, digest, deletedAtMs }));
    after = rows.at(-1)?.tag ?? after;
    await nextTurn();
  } while (rows.length === PAGE);
}
