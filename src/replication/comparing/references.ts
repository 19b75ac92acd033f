import type { Root, TagTarget } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { giveWay } from '../../util/give-way.ts';
import { subjectOfTag } from '../copying/attached-tags.ts';
import type { Here } from './here.ts';
import type { RuleScope } from './rule-scope.ts';

/** A reference here that a rule is about. */
export interface LocalReference {
  readonly repository: string;
  /** A tag, or the digest of a manifest that has none. */
  readonly reference: string;
  readonly digest: Digest;
}

/** So many at once: some 1 ms of the index's time. */
const PAGE = 50;
/** Of images the index tells how large they are and more: some 1 ms too. */
const ROOTS = 5;
/** While clients have much to ask for, this is what each page waits. */
const WAY_MS = 30;

/** Names of the repositories here that a rule is about, in byte order. */
export async function* matchingRepositories({ index }: Here, scope: RuleScope): AsyncGenerator<string, void> {
  let names: readonly string[];
  let after = '';
  do {
    names = await index.listRepositories({ after, limit: PAGE });
    yield* names.filter(scope.takesRepository);
    after = names.at(-1) ?? after;
    await giveWay(WAY_MS);
  } while (names.length === PAGE);
}

/**
 * What a rule is about in one repository, in pages with turns in between: its tags in byte order, then, if the rule takes
 * all tags, images that have none. What moves meanwhile may be missed: an event tells of it.
 */
export async function* referencesIn(
  here: Here,
  scope: RuleScope,
  repository: string,
): AsyncGenerator<readonly LocalReference[], void> {
  for await (const page of namedIn(here, scope, repository)) {
    const taken = await ofTakenTypes(here, scope, page);
    if (taken.length > 0) yield taken;
    await giveWay(WAY_MS);
  }
}

async function* namedIn(here: Here, scope: RuleScope, repository: string): AsyncGenerator<LocalReference[], void> {
  let rows: readonly TagTarget[];
  let after = '';
  do {
    rows = await here.index.listTagRows({ repository, after, limit: PAGE });
    yield rows
      .filter(({ tag }) => scope.takesTag(tag))
      .map(({ tag, digest }) => ({ repository, reference: tag, digest }));
    after = rows.at(-1)?.tag ?? after;
  } while (rows.length === PAGE);
  if (scope.takesAll) yield* untaggedIn(here, repository);
}

async function* untaggedIn({ index }: Here, repository: string): AsyncGenerator<LocalReference[], void> {
  let roots: readonly Root[];
  let after = '';
  do {
    roots = await index.listRoots({ repository, after: { repository, digest: after }, limit: ROOTS });
    yield roots
      .filter(({ isManifest, tags }) => isManifest && tags.length === 0)
      .map(({ digest }) => ({ repository, reference: digest, digest }));
    after = roots.at(-1)?.digest ?? after;
  } while (roots.length === ROOTS);
}

async function ofTakenTypes(
  { takesType }: Here,
  { rule }: RuleScope,
  page: readonly LocalReference[],
): Promise<readonly LocalReference[]> {
  if (!takesType || rule.artifactTypes.length === 0) return page;
  const taken: LocalReference[] = [];
  for (const one of page) {
    const { repository, reference } = one;
    // What is attached goes with its subject, whatever it is itself.
    const digest = subjectOfTag(reference) ?? one.digest;
    if (await takesType(rule, { repository, digest })) taken.push(one);
  }
  return taken;
}
