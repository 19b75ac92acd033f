import type { RegistryEvent } from '../metadata/event-index.ts';
import type { NewJob } from '../metadata/replication-index.ts';
import type { Digest } from '../oci/digest.ts';
import { actsOf } from '../registry/events/acts.ts';
import { attachedTo } from '../registry/pushing/choose-expired.ts';
import type { RuleScope } from './comparing/rule-scope.ts';

/** What a rule sends to one of its peers. */
export interface Selection {
  readonly scope: RuleScope;
  readonly peer: string;
  /** Names of the peer's site: what came from there is not sent back. */
  readonly sites: ReadonlySet<string>;
}

/** A job, and what its reference stood for when it was planned. */
export interface PlannedJob {
  readonly job: NewJob;
  readonly digest: Digest;
}

/** What comes without a tag is mostly a part of what comes next with one, and is sent with that. */
const UNTAGGED_DELAY_MS = 2000;

/** What events in order ask for: one job for each reference, as its last event wants it. */
export function planJobs(events: readonly RegistryEvent[], selection: Selection): PlannedJob[] {
  const { scope, sites } = selection;
  const wanted = events.filter(
    ({ kind, repository, origin }) =>
      kind !== 'blob' && scope.takesRepository(repository) && !(origin !== undefined && sites.has(origin.site)),
  );
  const planned = new Map<string, PlannedJob>();
  const deletion = new DeletionScope(selection);
  for (const act of actsOf(wanted)) {
    const kind = act[0]?.kind;
    const isDeletion = kind === 'untag' || kind === 'delete';
    if (isDeletion && !scope.rule.deletes) continue;
    for (const next of isDeletion ? deletion.plan(act) : copiesOf(act, selection)) {
      const key = `${next.job.repository} ${next.job.reference}`;
      planned.set(key, merge(planned.get(key), next));
    }
  }
  return withoutTagged([...planned.values()]);
}

/** A manifest with the tags that it came by. */
function copiesOf(act: readonly RegistryEvent[], selection: Selection): PlannedJob[] {
  const tags = [...new Set(act.flatMap(({ tag }) => tag ?? []))];
  const copies = tags.filter(isTagOf(selection)).map((tag) => jobFor(act, selection, { reference: tag }));
  if (copies.length > 0) return copies;
  // A tag that moved brought no manifest, and has nothing to do with subjects of that.
  const manifest = act.find(({ kind }) => kind === 'push' || kind === 'fill');
  if (!manifest) return [];
  return [jobFor(act, selection, { reference: manifest.digest, delayMs: UNTAGGED_DELAY_MS })];
}

/** Whether the subject of what is attached by a tag's name is sent is known when the job runs. */
function isTagOf({ scope }: Selection): (tag: string) => boolean {
  return (tag) => scope.takesTag(tag) || attachedTo(tag) !== undefined;
}

/** Which deletions a rule passes on. */
class DeletionScope {
  readonly #selection: Selection;
  /** Manifests whose tags were deleted, as `repository digest`. */
  readonly #untagged = new Set<string>();
  #last: RegistryEvent | undefined;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  plan(act: readonly RegistryEvent[]): PlannedJob[] {
    const { rule } = this.#selection.scope;
    return act.flatMap((event) => {
      const isPart = this.#isPart(event);
      if (!this.#isWanted(event, isPart)) return [];
      const { tag, digest: deleted } = event;
      // What lists it goes first: peers keep what is listed.
      const delayMs = rule.graceMs + (isPart ? UNTAGGED_DELAY_MS : 0);
      return [jobFor([event], this.#selection, { reference: tag ?? deleted, deleted, delayMs })];
    });
  }

  /** Did the manifest go with another one? The log has these one after the other, as of the same time. */
  #isPart({ kind, repository, atMs }: RegistryEvent): boolean {
    return kind === 'delete' && this.#last?.repository === repository && this.#last.atMs === atMs;
  }

  /**
   * A rule that leaves out tags passes on the deletion of a manifest only if one of the rule's tags went with it, and then
   * that of what went with the manifest.
   */
  #isWanted(event: RegistryEvent, isPart: boolean): boolean {
    const { kind, tag, repository, digest } = event;
    if (kind === 'untag') {
      const isWanted = tag !== undefined && isTagOf(this.#selection)(tag);
      if (isWanted) this.#untagged.add(`${repository} ${digest}`);
      return isWanted;
    }
    const { takesAll } = this.#selection.scope;
    if (!takesAll && !isPart && !this.#untagged.has(`${repository} ${digest}`)) return false;
    this.#last = event;
    return true;
  }
}

function jobFor(
  act: readonly RegistryEvent[],
  { scope: { rule }, peer }: Selection,
  about: { reference: string; deleted?: Digest; delayMs?: number },
): PlannedJob {
  const [first, last] = [act[0], act.at(-1)];
  if (!first || !last) throw new Error('an act has no events');
  const { reference, deleted, delayMs = 0 } = about;
  const job: NewJob = {
    rule: rule.name,
    peer,
    repository: first.repository,
    reference,
    sequence: last.sequence,
    sinceMs: first.atMs,
    priority: rule.priority,
    dueAtMs: first.atMs + delayMs,
    ...(deleted !== undefined && { deleted }),
  };
  return { job, digest: first.digest };
}

/** Later ones take the place of earlier ones; what is behind is behind since the first of the same sort. */
function merge(earlier: PlannedJob | undefined, later: PlannedJob): PlannedJob {
  if (!earlier || (earlier.job.deleted === undefined) !== (later.job.deleted === undefined)) return later;
  const dueAtMs = Math.min(earlier.job.dueAtMs, later.job.dueAtMs);
  return { ...later, job: { ...later.job, dueAtMs, sinceMs: Math.min(earlier.job.sinceMs, later.job.sinceMs) } };
}

/** A manifest that is sent by a tag needs no job for itself. */
function withoutTagged(jobs: readonly PlannedJob[]): PlannedJob[] {
  const copies = jobs.filter(({ job }) => job.deleted === undefined);
  const tagged = new Set(copies.flatMap(({ job, digest }) => (job.reference === digest ? [] : [nameOf(job, digest)])));
  return jobs.filter(
    ({ job, digest }) => job.deleted !== undefined || job.reference !== digest || !tagged.has(nameOf(job, digest)),
  );
}

function nameOf({ repository }: NewJob, digest: Digest): string {
  return `${repository} ${digest}`;
}
