import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MetadataIndex, Root, TagTarget } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { RetentionReport } from '../operations/operations.ts';
import { chooseExpiredTags, expiresWith, isExpiredUntagged } from './choose-expired.ts';
import type { Deletion } from './deletion.ts';
import type { HostedRule, HostedRules } from './hosted-rules.ts';
import { RetentionTally } from './retention-tally.ts';

export interface RetentionRunOptions {
  readonly index: MetadataIndex;
  readonly rules: HostedRules;
  readonly deletion: Deletion;
  /** Namespaces of hosted repositories. */
  readonly hosted: readonly string[];
}

const PAGE = 200;

/** Removes what no rule of retention keeps: tags, then the images that have none. Blobs are left to garbage collection. */
export class Retention {
  readonly #options: RetentionRunOptions;
  #running: Promise<RetentionReport> | undefined;

  constructor(options: RetentionRunOptions) {
    this.#options = options;
  }

  /** Two at once would do the same. @param signal ends it after the repository that it is at */
  async run({ dryRun, signal }: { dryRun: boolean; signal?: AbortSignal }): Promise<RetentionReport> {
    if (dryRun) return this.#run(true, signal);
    this.#running ??= this.#run(false, signal).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(isDryRun: boolean, signal?: AbortSignal): Promise<RetentionReport> {
    const { index, rules, hosted } = this.#options;
    const tally = new RetentionTally(isDryRun);
    await index.flushUses();
    for (const namespace of hosted) {
      const prefix = `${namespace}/`;
      let after = '';
      for (;;) {
        const names = await index.listRepositories({ prefix, after, limit: PAGE });
        for (const repository of names) {
          if (signal?.aborted) return tally.report();
          const rule = rules.of(repository);
          if (rule.retention) await this.#clean(repository, rule, tally);
        }
        const last = names.at(-1);
        if (last === undefined) break;
        after = last;
        await nextTurn();
      }
    }
    return tally.report();
  }

  async #clean(repository: string, rule: HostedRule, tally: RetentionTally): Promise<void> {
    tally.addRepository();
    const nowMs = Date.now();
    const tags = await this.#allTags(repository);
    const expired = chooseExpiredTags(tags, rule, nowMs);
    await this.#dropTags(repository, expired, tally);
    const gone = new Set(expired.map(({ tag }) => tag));
    const manifests = await this.#dropUntagged(repository, { rule, nowMs, gone }, tally);
    // What was attached to these goes with them.
    const about = tags.flatMap((row) => {
      const subject = expiresWith(row, rule, nowMs);
      return subject ? [{ row, subject }] : [];
    });
    const attached = await this.#detached(repository, about, manifests);
    await this.#dropTags(repository, attached, tally);
    for (const { tag } of attached) gone.add(tag);
    if (attached.length > 0) await this.#dropUntagged(repository, { rule, nowMs, gone, known: manifests }, tally);
  }

  async #dropTags(repository: string, rows: readonly TagTarget[], tally: RetentionTally): Promise<void> {
    for (const { tag, digest } of rows) {
      // A tag that was moved meanwhile is a new one.
      const isGone = tally.isDryRun || (await this.#options.deletion.expireTag(repository, tag, digest));
      if (isGone) tally.addTag({ repository, tag, digest });
    }
  }

  /** @param gone tags that do not count: they are, or would be, removed @returns what went, or would */
  async #dropUntagged(
    repository: string,
    {
      rule,
      nowMs,
      gone,
      known,
    }: { rule: HostedRule; nowMs: number; gone: ReadonlySet<string>; known?: ReadonlySet<Digest> },
    tally: RetentionTally,
  ): Promise<Set<Digest>> {
    const { deletion } = this.#options;
    const dropped = new Set<Digest>();
    for await (const root of this.#roots(repository)) {
      const tags = root.tags.filter((tag) => !gone.has(tag));
      if (known?.has(root.digest) || !isExpiredUntagged({ ...root, tags }, rule, nowMs)) continue;
      if (!tally.isDryRun && !(await deletion.expireManifest(repository, root.digest))) continue;
      dropped.add(root.digest);
      tally.addManifest({ repository, digest: root.digest });
    }
    return dropped;
  }

  /** Tags that are attached to manifests that are gone, or would be; not to those whose bytes alone were lost. */
  async #detached(
    repository: string,
    attached: readonly { row: TagTarget; subject: Digest }[],
    gone: ReadonlySet<Digest>,
  ): Promise<TagTarget[]> {
    const detached: TagTarget[] = [];
    for (const { row, subject } of attached) {
      const isGone = gone.has(subject) || !(await this.#options.index.findBlob(repository, subject)).belongs;
      if (isGone) detached.push(row);
    }
    return detached;
  }

  async #allTags(repository: string): Promise<TagTarget[]> {
    const all: TagTarget[] = [];
    for (;;) {
      const after = all.at(-1)?.tag;
      const page = await this.#options.index.listTagRows({ repository, limit: PAGE, ...(after && { after }) });
      all.push(...page);
      if (page.length < PAGE) return all;
      await nextTurn();
    }
  }

  async *#roots(repository: string): AsyncGenerator<Root> {
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const page = await this.#options.index.listRoots({ repository, limit: PAGE, ...(after && { after }) });
      yield* page;
      after = page.at(-1);
      if (!after) return;
      await nextTurn();
    }
  }
}
