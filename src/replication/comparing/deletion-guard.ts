import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { JobState, JobTarget } from '../../metadata/replication-index.ts';
import type { ReplicationRule } from '../rule.ts';
import { deletionLimit, judgeDeletions } from './judge-deletions.ts';
import { scopeOf } from './rule-scope.ts';

export type DeletionPermission = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

/** A rule and a peer by name. */
type LinkName = Pick<JobTarget, 'rule' | 'peer'>;

/** What was found out about a link. */
interface Verdict {
  readonly atMs: number;
  /** Deletions up to then, and those that were allowed since. */
  deletions: number;
  /** So many are allowed. */
  readonly limit: number;
  /** Why none is. */
  readonly reason: string | undefined;
}

/** Deletions within this time are one run, and so long an approval is good. */
const RUN_MS = 3_600_000;
const VERDICT_MS = 5000;
/** More than that need not be known to be allowed. */
const SPARE = 100;
const PAGE = 500;

/**
 * Stops a run of deletions that takes away more of what a peer has than the rule's `maxDelete`, until an operator has
 * approved it. A run is what is due or held of a link, and what was deleted within the last hour. All methods throw
 * MetadataErrors.
 */
export class DeletionGuard {
  readonly #index: MetadataIndex;
  readonly #verdicts = new Map<string, Verdict>();

  constructor({ index }: { index: MetadataIndex }) {
    this.#index = index;
  }

  /** May this deletion be run? To be asked each time before one is, while the job is leased. */
  async allows(job: LinkName, rule: ReplicationRule): Promise<DeletionPermission> {
    // It does nothing: the rule had deletions when it was asked for.
    if (!rule.deletes) return { allowed: true };
    const known = this.#verdicts.get(noteOf(job));
    if (known && Date.now() - known.atMs < VERDICT_MS) {
      if (known.reason !== undefined) return { allowed: false, reason: known.reason };
      if (known.deletions + (await this.#countAsked(job)) <= known.limit) {
        known.deletions += 1;
        return { allowed: true };
      }
    }
    const verdict = await this.#judge(job, rule);
    this.#verdicts.set(noteOf(job), verdict);
    return verdict.reason === undefined ? { allowed: true } : { allowed: false, reason: verdict.reason };
  }

  /** All deletions of the link may go on, for an hour. @returns how many were held */
  async approve(link: LinkName): Promise<number> {
    await this.#index.writeNote(noteOf(link), String(Date.now()));
    this.#verdicts.delete(noteOf(link));
    return this.#index.retryJobs({ rule: link.rule, peer: link.peer, states: ['held'] });
  }

  async #judge({ rule: name, peer }: LinkName, rule: ReplicationRule): Promise<Verdict> {
    const nowMs = Date.now();
    const link = { rule: name, peer };
    const approvedAtMs = Number((await this.#index.readNote(noteOf(link))) ?? -Infinity);
    if (nowMs - approvedAtMs < RUN_MS) return { atMs: nowMs, deletions: 0, limit: 0, reason: undefined };
    // What was approved does not count against what comes after.
    const done = await this.#countDone(link, Math.max(nowMs - RUN_MS, approvedAtMs + RUN_MS));
    const atMost = done + Math.max(1, await this.#countAsked(link));
    const tags = await this.#countTags(rule, atMost);
    const { maxDelete } = rule;
    const limit = deletionLimit({ deletions: atMost, tags, maxDelete });
    if (atMost <= limit) return { atMs: nowMs, deletions: done + 1, limit, reason: undefined };
    const deletions = done + Math.max(1, await this.#countDue(link, nowMs));
    const reason = judgeDeletions({ deletions, tags, maxDelete });
    return { atMs: nowMs, deletions, limit: 0, reason: reason && `${reason}: ${howToApprove(link)}` };
  }

  async #countDone(link: LinkName, sinceMs: number): Promise<number> {
    let count = 0;
    for (let before: number | undefined; ; await nextTurn()) {
      const query = { ...link, outcome: 'deleted', sinceMs, limit: PAGE };
      const page = await this.#index.listJobRecords({ ...query, ...(before !== undefined && { before }) });
      count += page.length;
      before = page.at(-1)?.id;
      if (page.length < PAGE) return count;
    }
  }

  /** Deletions that there are jobs for, in their time of grace as well: at a glance. */
  async #countAsked({ rule, peer }: LinkName): Promise<number> {
    const counts = await this.#index.countJobs();
    return counts
      .filter((count) => count.rule === rule && count.peer === peer && count.isDeletion && count.state !== 'parked')
      .reduce((sum, { jobs }) => sum + jobs, 0);
  }

  async #countDue(link: LinkName, nowMs: number): Promise<number> {
    const states: readonly JobState[] = ['running', 'pending', 'held'];
    let count = 0;
    for (const state of states) {
      for (let after = 0; ; await nextTurn()) {
        const page = await this.#index.listJobs({ ...link, state, after, limit: PAGE });
        count += page.filter(({ deleted, dueAtMs }) => deleted && (state !== 'pending' || dueAtMs <= nowMs)).length;
        if (page.length < PAGE) break;
        after = page.at(-1)?.id ?? after;
      }
    }
    return count;
  }

  /** The rule's tags here, or as many as it takes to allow so many deletions and some more. */
  async #countTags(rule: ReplicationRule, deletions: number): Promise<number> {
    const scope = scopeOf(rule);
    const { maxDelete } = rule;
    let tags = 0;
    for (let after = ''; ; await nextTurn()) {
      const page = await this.#index.summarize({ after, limit: PAGE });
      for (const row of page) {
        if (!scope.takesRepository(row.repository)) continue;
        const names = scope.takesAll ? undefined : await this.#index.listTags(row.repository);
        tags += names ? names.filter(scope.takesTag).length : row.tags;
        if (deletionLimit({ deletions, tags, maxDelete }) >= deletions + SPARE) return tags;
      }
      if (page.length < PAGE) return tags;
      after = page.at(-1)?.repository ?? after;
    }
  }
}

function noteOf({ rule, peer }: LinkName): string {
  return `replication.approved.${rule}/${peer}`;
}

function howToApprove({ rule, peer }: LinkName): string {
  return `approve with \`entrepot replication approve --rule ${word(rule)} --peer ${word(peer)}\``;
}

/** As a shell takes it for one word. */
function word(name: string): string {
  return /^[\w./:@-]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;
}
