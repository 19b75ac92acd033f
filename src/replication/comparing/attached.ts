import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import { tagsAttachedTo } from '../copying/attached-tags.ts';
import type { Here } from './here.ts';
import type { LocalReference } from './references.ts';
import type { RuleScope } from './rule-scope.ts';

const PAGE = 100;

/**
 * What goes with references of one repository: referrers by digest, what refers to those in turn and, unless the rule
 * takes all tags anyway, tags by cosign's naming. In pages with turns in between.
 * @param seen manifests whose turn it was, which is added to
 */
export async function* attachedIn(
  here: Here,
  scope: RuleScope,
  { references, seen }: { references: readonly LocalReference[]; seen: Set<Digest> },
): AsyncGenerator<readonly LocalReference[], void> {
  const waiting = references.map(({ repository, digest }) => ({ repository, digest }));
  let page: LocalReference[] = [];
  for (let subject = waiting.pop(); subject; subject = waiting.pop()) {
    if (seen.has(subject.digest)) continue;
    seen.add(subject.digest);
    if (!scope.takesAll) page.push(...(await tagsOf(here, subject)));
    for await (const referrer of referrersOf(here, subject)) {
      waiting.push(referrer);
      page.push({ ...referrer, reference: referrer.digest });
    }
    if (page.length < PAGE) continue;
    yield page;
    page = [];
    await nextTurn();
  }
  if (page.length > 0) yield page;
}

interface Subject {
  readonly repository: string;
  readonly digest: Digest;
}

async function tagsOf({ index }: Here, { repository, digest }: Subject): Promise<LocalReference[]> {
  const rows = await tagsAttachedTo(index, repository, digest);
  return rows.map((row) => ({ repository, reference: row.tag, digest: row.digest }));
}

async function* referrersOf({ index }: Here, { repository, digest }: Subject): AsyncGenerator<Subject, void> {
  let rows: readonly { readonly digest: Digest }[];
  let after = '';
  do {
    rows = await index.listReferrers({ repository, subject: digest, after, limit: PAGE });
    for (const row of rows) yield { repository, digest: row.digest };
    after = rows.at(-1)?.digest ?? after;
    if (rows.length === PAGE) await nextTurn();
  } while (rows.length === PAGE);
}
