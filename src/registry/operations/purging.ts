import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MetadataIndex, Root } from '../../metadata/metadata-index.ts';
import { parseImageName } from '../../oci/image-name.ts';
import type { Pins } from '../space/pins.ts';
import type { Removal } from '../space/removal.ts';
import type { Upstreams } from '../upstreams.ts';
import { namedRepository } from './named-repository.ts';
import { OperationError } from './operation-error.ts';
import type { PurgeTarget, RemovalReport } from './operations.ts';
import { RemovalTally } from './removal-tally.ts';

export interface PurgingOptions {
  readonly index: MetadataIndex;
  readonly upstreams: Upstreams;
  readonly removal: Removal;
  readonly pins: Pins;
}

/** Removed in one transaction. */
const BATCH = 8;
const PAGE = 200;
/** Clients may go on to pull what is purged: it must come to an end. */
const MAX_PASSES = 4;
const NOTHING = { blobs: 0, bytes: 0 };

/** Removes what an operator names, pinned or not: who names it knows what it is. */
export class Purging {
  readonly #options: PurgingOptions;

  constructor(options: PurgingOptions) {
    this.#options = options;
  }

  /** @throws OperationError INVALID, NOT_FOUND */
  async purge(target: PurgeTarget, { dryRun }: { dryRun: boolean }): Promise<RemovalReport> {
    const tally = new RemovalTally(dryRun);
    if ('image' in target) await this.#purgeImage(target.image, tally);
    else {
      const scope = 'repository' in target ? this.#repository(target.repository) : this.#upstream(target.upstream);
      // What only a blob that went had held is a root of its own then.
      for (let pass = 0; pass < (dryRun ? 1 : MAX_PASSES); pass += 1) if (!(await this.#purgeAll(scope, tally))) break;
      if (tally.isEmpty) throw new OperationError('NOT_FOUND', 'nothing of that is here');
    }
    if (dryRun) tally.addFreed(await this.#options.removal.preview(tally.roots));
    return tally.report();
  }

  /** @returns whether there was anything */
  async #purgeAll(scope: { repository?: string; registry?: string }, tally: RemovalTally): Promise<boolean> {
    let hasAny = false;
    // Pages are read before anything is removed of them: what is removed is never looked at again.
    for await (const roots of this.#pages(scope)) {
      hasAny ||= roots.length > 0;
      await this.#remove(roots, tally);
    }
    return hasAny;
  }

  async #purgeImage(text: string, tally: RemovalTally): Promise<void> {
    const { index, upstreams } = this.#options;
    const name = parseImageName(text);
    const repository = name && namedRepository(name.path, upstreams);
    if (!name || !repository) throw new OperationError('INVALID', `"${text}" is no image; write for example debian:12`);
    const { reference } = name;
    if (reference.kind === 'digest') {
      const root = await this.#find(repository.name, reference.digest);
      if (!root) throw new OperationError('NOT_FOUND', `${text} is not here, or only as a part of another image`);
      return this.#remove([root], tally);
    }
    const tag = await index.findTag(repository.name, reference.tag);
    if (!tag) throw new OperationError('NOT_FOUND', `${text} is not here`);
    const root = await this.#find(repository.name, tag.digest);
    const others = root?.tags.filter((other) => other !== reference.tag) ?? [];
    if (root && others.length === 0) return this.#remove([root], tally);
    // Another tag needs the image: only the name goes.
    if (!tally.isDryRun) await index.dropTag(repository.name, reference.tag);
    tally.addTag(repository.name, reference.tag, tag.digest);
  }

  async #find(repository: string, digest: string): Promise<Root | undefined> {
    for await (const roots of this.#pages({ repository })) {
      const found = roots.find((root) => root.digest === digest);
      if (found) return found;
    }
    return undefined;
  }

  #repository(text: string): { repository: string } {
    const repository = namedRepository(text, this.#options.upstreams);
    if (!repository)
      throw new OperationError('INVALID', `"${text}" is no repository; write for example library/debian`);
    return { repository: repository.name };
  }

  #upstream(name: string): { registry: string } {
    if (!this.#options.upstreams.has(name)) throw new OperationError('NOT_FOUND', `"${name}" is no upstream here`);
    return { registry: this.#options.upstreams.canonicalName(name) };
  }

  async *#pages(scope: { repository?: string; registry?: string }): AsyncGenerator<Root[]> {
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const page = await this.#options.index.listRoots({ ...scope, limit: PAGE, ...(after && { after }) });
      yield page;
      after = page.at(-1);
      if (!after) return;
      await nextTurn();
    }
  }

  async #remove(roots: readonly Root[], tally: RemovalTally): Promise<void> {
    const { pins, removal } = this.#options;
    for (let start = 0; start < roots.length; start += BATCH) {
      const batch = roots.slice(start, start + BATCH);
      const freed = tally.isDryRun ? NOTHING : await removal.drop(batch, 'purged');
      tally.add(batch, freed, batch.filter((root) => pins.has(root)).length);
      await nextTurn();
    }
  }
}
