import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MetadataIndex, Root } from '../../metadata/metadata-index.ts';
import { parseImageName } from '../../oci/image-name.ts';
import type { Pins } from '../space/pins.ts';
import type { Removal } from '../space/removal.ts';
import type { Upstreams } from '../upstreams.ts';
import { heldRepository, holdsOf, requireHeldRepository } from './held-repository.ts';
import { OperationError } from './operation-error.ts';
import type { PurgeTarget, RemovalProgress, RemovalReport, WorkOptions } from './operations.ts';
import { RemovalTally } from './removal-tally.ts';

export interface PurgingOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly removal: Removal;
  readonly pins: Pins;
}

/** What of the index is removed. */
type Scope = { readonly repository: string } | { readonly registry: string };

/** One purge on its way. */
interface Errand {
  readonly tally: RemovalTally;
  readonly work: WorkOptions<RemovalProgress>;
  /** Roots that are there, as counted at the beginning; clients may add some. */
  total: number;
  done: number;
}

/** Removed in one transaction. */
const BATCH = 8;
const PAGE = 200;
/** Clients may go on to pull what is purged: it must come to an end. */
const MAX_PASSES = 4;
const SUMMARY_PAGE = 1000;
const NOTHING = { blobs: 0, bytes: 0 };

/** Removes what an operator names, pinned or not: who names it knows what it is. */
export class Purging {
  readonly #options: PurgingOptions;

  constructor(options: PurgingOptions) {
    this.#options = options;
  }

  /** @throws OperationError INVALID, NOT_FOUND; the signal's reason: what went by then is gone, the rest stays */
  async purge(
    target: PurgeTarget,
    { dryRun }: { dryRun: boolean },
    work: WorkOptions<RemovalProgress>,
  ): Promise<RemovalReport> {
    const tally = new RemovalTally(dryRun);
    const errand: Errand = { tally, work, total: 1, done: 0 };
    if ('image' in target) await this.#purgeImage(target.image, errand);
    else {
      const scope = await this.#scopeOf(target);
      errand.total = await this.#count(scope);
      // What only a blob that went had held is a root of its own then.
      for (let pass = 0; pass < (dryRun ? 1 : MAX_PASSES); pass += 1) if (!(await this.#purgeAll(scope, errand))) break;
      if (tally.isEmpty) throw new OperationError('NOT_FOUND', 'nothing of that is here');
    }
    if (dryRun) tally.addFreed(await this.#options.removal.preview(tally.roots));
    return tally.report();
  }

  /** @returns whether there was anything */
  async #purgeAll(scope: Scope, errand: Errand): Promise<boolean> {
    let hasAny = false;
    // Pages are read before anything is removed of them: what is removed is never looked at again.
    for await (const roots of this.#pages(scope)) {
      hasAny ||= roots.length > 0;
      await this.#remove(roots, errand);
    }
    return hasAny;
  }

  async #count(scope: Scope): Promise<number> {
    const { index } = this.#options;
    const isRepository = 'repository' in scope;
    // A name comes before all others that begin with it.
    const query = isRepository
      ? { prefix: scope.repository, limit: 1 }
      : { prefix: `${scope.registry}/`, limit: SUMMARY_PAGE };
    let total = 0;
    let after: string | undefined;
    for (;;) {
      const page = await index.summarize({ ...query, ...(after !== undefined && { after }) });
      for (const { repository, roots } of page) if (!isRepository || repository === scope.repository) total += roots;
      after = page.at(-1)?.repository;
      if (isRepository || page.length < SUMMARY_PAGE) return total;
      await nextTurn();
    }
  }

  async #purgeImage(text: string, errand: Errand): Promise<void> {
    const { index } = this.#options;
    const name = parseImageName(text);
    const repository = name && (await heldRepository(name.path, this.#options));
    if (!name || !repository) throw new OperationError('INVALID', `"${text}" is no image; write for example debian:12`);
    const { reference } = name;
    if (reference.kind === 'digest') {
      const root = await this.#find(repository, reference.digest);
      if (!root) throw new OperationError('NOT_FOUND', `${text} is not here, or only as a part of another image`);
      return this.#remove([root], errand);
    }
    const tag = await index.findTag(repository, reference.tag);
    if (!tag) throw new OperationError('NOT_FOUND', `${text} is not here`);
    const root = await this.#find(repository, tag.digest);
    const others = root?.tags.filter((other) => other !== reference.tag) ?? [];
    if (root && others.length === 0) return this.#remove([root], errand);
    // Another tag needs the image: only the name goes.
    if (!errand.tally.isDryRun) await index.dropTag(repository, reference.tag);
    errand.tally.addTag(repository, reference.tag, tag.digest);
  }

  async #find(repository: string, digest: string): Promise<Root | undefined> {
    for await (const roots of this.#pages({ repository })) {
      const found = roots.find((root) => root.digest === digest);
      if (found) return found;
    }
    return undefined;
  }

  async #scopeOf(target: Exclude<PurgeTarget, { image: string }>): Promise<Scope> {
    if ('repository' in target) return { repository: await requireHeldRepository(target.repository, this.#options) };
    const { upstreams } = this.#options;
    const { upstream } = target;
    if (upstreams.has(upstream)) return { registry: upstreams.canonicalName(upstream) };
    // What is hosted has no upstream: it goes repository by repository.
    const isFormer = !upstreams.isHosted({ registry: upstream }) && (await holdsOf(upstream, this.#options));
    if (!isFormer) throw new OperationError('NOT_FOUND', `"${upstream}" is no upstream here`);
    return { registry: upstream };
  }

  async *#pages(scope: Scope): AsyncGenerator<Root[]> {
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const page = await this.#options.index.listRoots({ ...scope, limit: PAGE, ...(after && { after }) });
      yield page;
      after = page.at(-1);
      if (!after) return;
      await nextTurn();
    }
  }

  async #remove(roots: readonly Root[], errand: Errand): Promise<void> {
    const { tally, work } = errand;
    const { pins, removal } = this.#options;
    for (let start = 0; start < roots.length; start += BATCH) {
      work.signal.throwIfAborted();
      const batch = roots.slice(start, start + BATCH);
      const freed = tally.isDryRun ? NOTHING : await removal.drop(batch, 'purged');
      tally.add(batch, freed, batch.filter((root) => root.isManifest && pins.has(root)).length);
      errand.done += batch.length;
      work.onProgress(tally.progress(errand.done / Math.max(1, errand.total)));
      await nextTurn();
    }
  }
}
