import { setImmediate as nextTurn } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { ContentStore } from '../../content/content-store.ts';
import type { Root, RootIndex } from '../../metadata/metadata-index.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import { sleep } from '../../util/sleep.ts';
import { chooseVictims } from './choose-victims.ts';
import type { DiskBudget, RoomMaker } from './disk-budget.ts';
import type { PinnedContent } from './pinned-content.ts';
import type { Pins } from './pins.ts';
import type { Freed, Removal } from './removal.ts';
import { usedBytes } from './room.ts';

export interface EvictionOptions {
  readonly index: RootIndex;
  readonly store: Pick<ContentStore, 'discardInterrupted'>;
  readonly budget: DiskBudget;
  readonly removal: Removal;
  readonly pins: Pins;
  readonly pinned: PinnedContent;
  readonly telemetry: Telemetry;
  /** Is something of this image being downloaded? */
  readonly isInFlight: (root: Root) => boolean;
  /** Registries whose content nobody could give us again. */
  readonly hosted: ReadonlySet<string>;
}

/** At most so many images go in one transaction: it holds up everything else for about a millisecond. */
const BATCH = 8;
/** While nobody waits for room, eviction works for a tenth of the time. */
const REST_SHARE = 9;
const MIN_REST_MS = 5;
/** Broken-off downloads of which nobody has asked for the rest for so long go before images do. */
const PARKED_MS = 3_600_000;

type OnRemoved = (roots: readonly Root[], freed: Freed) => void;

/** Makes room by taking whole images out of the store, those that were not used for the longest time first. */
export class Eviction implements RoomMaker, AsyncDisposable {
  readonly #options: EvictionOptions;
  /** One at a time: two would take turns at removing more than needed. */
  readonly #turn = pLimit(1);
  readonly #stop = new AbortController();
  #trimming: Promise<void> | undefined;
  #waiting = 0;

  constructor(options: EvictionOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#waiting > 0 || this.#trimming !== undefined;
  }

  /** As fast as it goes until there is enough; then, beside everything else, down to the low watermark. */
  async makeRoom(missing: () => Promise<number>, registry: string | undefined): Promise<void> {
    this.#waiting += 1;
    try {
      await this.#turn(async () => {
        for (;;) {
          const missingBytes = await missing();
          if (missingBytes <= 0 || this.#stop.signal.aborted) return;
          if (!(await this.#step(missingBytes, registry))) return;
          await nextTurn();
        }
      });
    } finally {
      this.#waiting -= 1;
    }
    this.trim(registry);
  }

  unmovableBytes(): Promise<number> {
    return this.#options.pinned.bytes();
  }

  /** Evicts in the background what is above the low watermark. */
  trim(registry: string | undefined): void {
    if (this.#stop.signal.aborted) return;
    const { budget, telemetry } = this.#options;
    this.#trimming ??= this.#trim(() => budget.excess(registry), registry)
      .catch((error: unknown) => telemetry.log.error(describeError(error), 'eviction failed'))
      .finally(() => {
        this.#trimming = undefined;
      });
  }

  /** Evicts until no more than so many bytes are used. */
  async evictTo(targetBytes: number, onRemoved: OnRemoved): Promise<void> {
    const { budget } = this.#options;
    await this.#trim(async () => usedBytes(await budget.read()) - targetBytes, undefined, onRemoved);
  }

  /** The images that would go first: all that may go, in that order. */
  async *candidates(): AsyncGenerator<Root> {
    // Looking must not change what is set aside, so it goes through all of them.
    const { index } = this.#options;
    const all: Root[] = [];
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const page = await index.listRoots({ limit: 200, ...(after && { after }) });
      all.push(...page.filter((root) => this.#mayGo(root)));
      const last = page.at(-1);
      if (!last) break;
      after = last;
      await nextTurn();
    }
    yield* all.sort((one, other) => one.usedAtMs - other.usedAtMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#trimming;
    await this.#turn(async () => undefined);
  }

  async #trim(excess: () => Promise<number>, registry: string | undefined, onRemoved?: OnRemoved): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      const excessBytes = await excess();
      if (excessBytes <= 0 || signal.aborted) return;
      const startedAt = performance.now();
      if (!(await this.#turn(() => this.#step(excessBytes, registry, onRemoved)))) return;
      const tookMs = performance.now() - startedAt;
      await sleep(Math.max(MIN_REST_MS, tookMs * REST_SHARE), signal);
    }
  }

  /** Removes a few of the oldest. False when there is nothing that may go. */
  async #step(missingBytes: number, registry: string | undefined, onRemoved?: OnRemoved): Promise<boolean> {
    const { index, removal } = this.#options;
    if (registry === undefined && (await this.#discardParked(PARKED_MS))) return true;
    let limit = BATCH;
    for (;;) {
      const roots = await index.oldestRoots({ limit, ...(registry !== undefined && { registry }) });
      const kept = roots.filter((root) => this.#isKept(root));
      if (kept.length > 0) {
        await index.setAside(kept);
        continue;
      }
      const victims = chooseVictims(
        roots.filter((root) => !this.#options.isInFlight(root)).slice(0, BATCH),
        missingBytes,
      );
      if (victims.length > 0) {
        const freed = await removal.drop(victims, 'evicted');
        onRemoved?.(victims, freed);
        return true;
      }
      if (roots.length < limit) return this.#discardParked(0);
      limit *= 2;
    }
  }

  #mayGo(root: Root): boolean {
    return !this.#isKept(root) && !this.#options.isInFlight(root);
  }

  #isKept(root: Root): boolean {
    const { pins, hosted } = this.#options;
    return pins.has(root) || hosted.has(root.repository.slice(0, Math.max(0, root.repository.indexOf('/'))));
  }

  /** Gives up the oldest broken-off download that nobody has asked for since. */
  async #discardParked(unaskedForMs: number): Promise<boolean> {
    const { budget, store } = this.#options;
    const oldest = budget.parked.find(({ atMs }) => Date.now() - atMs >= unaskedForMs);
    if (!oldest) return false;
    budget.unpark(oldest.digest);
    await store.discardInterrupted(oldest.digest).catch(() => undefined);
    return true;
  }
}
