import { setImmediate as nextTurn } from 'node:timers/promises';
import pLimit from 'p-limit';
import { ContentError } from '../../content/content-error.ts';
import type { ContentStore } from '../../content/content-store.ts';
import type { Root, RootIndex, UpkeepIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/repository.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import { giveWay } from '../../util/give-way.ts';
import { sleep, within } from '../../util/sleep.ts';
import { chooseVictims } from './choose-victims.ts';
import type { DiskBudget } from './disk-budget.ts';
import type { PinnedContent } from './pinned-content.ts';
import type { Pins } from './pins.ts';
import type { Freed, Removal } from './removal.ts';
import { registryOf } from './registry-of.ts';
import { usedBytes } from './room.ts';
import type { RoomMaker } from './room-maker.ts';

/** A digest that is being downloaded, and for which repositories. */
export interface Download {
  readonly digest: Digest;
  readonly repositories: readonly Repository[];
}

export interface EvictionOptions {
  readonly index: RootIndex & Pick<UpkeepIndex, 'usage'>;
  readonly store: Pick<ContentStore, 'discardInterrupted'>;
  readonly budget: DiskBudget;
  readonly removal: Removal;
  readonly pins: Pins;
  readonly pinned: PinnedContent;
  readonly telemetry: Telemetry;
  /** Downloads under way: what they are for stays. */
  readonly downloads: () => readonly Download[];
  /** Registries whose content nobody could give us again. */
  readonly hosted: ReadonlySet<string>;
}

/** Images that go in one transaction, which holds up everything else for some 0.4 ms for each. */
const BATCH = { urgent: 8, leisurely: 1 } as const;
/** While nobody waits for room, eviction rests for so many times as long as it works. */
const REST_SHARE = 3;
const MIN_REST_MS = 5;
/** While clients have much to ask for, it rests so long besides: some thirty images go in a second then. */
const WAY_MS = 20;
const SET_ASIDE_PAGE = 100;
/** Broken-off downloads of which nobody has asked for the rest for so long go before images do. */
const PARKED_MS = 3_600_000;

type Pace = keyof typeof BATCH;
interface StepWish {
  readonly missingBytes: number;
  readonly registry: string | undefined;
  readonly pace: Pace;
  readonly onRemoved?: OnRemoved;
}

type OnRemoved = (roots: readonly Root[], freed: Freed) => void;

/** Makes room by taking whole images out of the store, those that were not used for the longest time first. */
export class Eviction implements RoomMaker, AsyncDisposable {
  readonly #options: EvictionOptions;
  /** One at a time: two would take turns at removing more than needed. */
  readonly #turn = pLimit(1);
  readonly #stop = new AbortController();
  readonly #trimming = new Map<string | undefined, Promise<void>>();
  #waiting = 0;

  constructor(options: EvictionOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#waiting > 0 || this.#trimming.size > 0;
  }

  /** As fast as it goes until there is enough; then, beside everything else, down to the low watermark. */
  async makeRoom(missing: () => Promise<number>, registry: string | undefined): Promise<void> {
    this.#waiting += 1;
    try {
      await this.#turn(async () => {
        for (;;) {
          const missingBytes = await missing();
          if (missingBytes <= 0 || this.#stop.signal.aborted) return;
          if (!(await this.#step({ missingBytes, registry, pace: 'urgent' }))) return;
          await nextTurn();
        }
      });
    } catch (error) {
      // An index or a disk that refuses: then there is no room, which is no reason to fail whoever asked for it.
      this.#options.telemetry.log.error(describeError(error), 'eviction failed');
    } finally {
      this.#waiting -= 1;
    }
    this.trim(registry);
  }

  /** What is pinned, and what is hosted, referrers and loose blobs included: of everything, or of an upstream. */
  async unmovableBytes(registry?: string): Promise<number> {
    const { pinned, index, hosted } = this.#options;
    const pinnedBytes = await pinned.bytes(registry);
    if (hosted.size === 0 || registry !== undefined) return pinnedBytes;
    const { diskBytesByRegistry } = await index.usage();
    return [...hosted].reduce((sum, name) => sum + (diskBytesByRegistry.get(name) ?? 0), pinnedBytes);
  }

  /** How many images are pinned. */
  async pinnedImages(): Promise<number> {
    await this.#options.pinned.bytes();
    return this.#options.pinned.lastImages;
  }

  /** The same, or what was last found if it is not found within so many ms. */
  async pinnedBytes(limitMs: number): Promise<number> {
    const { pinned } = this.#options;
    return (await within(limitMs, pinned.bytes())) ?? pinned.lastBytes;
  }

  /** Evicts in the background what is above the low watermark. */
  trim(registry: string | undefined): void {
    if (this.#stop.signal.aborted || this.#trimming.has(registry)) return;
    const { budget, telemetry } = this.#options;
    const trimming = this.#evict(() => budget.excess(registry), registry)
      .catch((error: unknown) => telemetry.log.error(describeError(error), 'eviction failed'))
      .finally(() => this.#trimming.delete(registry));
    this.#trimming.set(registry, trimming);
  }

  /** Evicts, beside everything else, until nothing is missing any more. */
  async relieve(missing: () => Promise<number>, registry: string | undefined): Promise<void> {
    await this.#evict(missing, registry);
  }

  /** Evicts until no more than so many bytes are used. */
  async evictTo(targetBytes: number, onRemoved: OnRemoved): Promise<void> {
    const { budget } = this.#options;
    await this.#evict(async () => usedBytes(await budget.read()) - targetBytes, undefined, onRemoved);
  }

  /** The images that would go first: all that may go, in that order. */
  async *candidates(): AsyncGenerator<Root> {
    // Looking must not change what is set aside, so it goes through all of them.
    const { index } = this.#options;
    const inFlight = await this.#inFlight();
    const all: Root[] = [];
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const page = await index.listRoots({ limit: 200, ...(after && { after }) });
      all.push(...page.filter((root) => !this.#isKept(root) && !inFlight.has(keyOf(root))));
      const last = page.at(-1);
      if (!last) break;
      after = last;
      await nextTurn();
    }
    yield* all.sort((one, other) => one.usedAtMs - other.usedAtMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#trimming.values());
    await this.#turn(async () => undefined);
  }

  async #evict(excess: () => Promise<number>, registry: string | undefined, onRemoved?: OnRemoved): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      const missingBytes = await excess();
      if (missingBytes <= 0 || signal.aborted) return;
      const startedAt = performance.now();
      const wish: StepWish = { missingBytes, registry, pace: 'leisurely', ...(onRemoved && { onRemoved }) };
      if (!(await this.#turn(() => this.#step(wish)))) return;
      await sleep(Math.max(MIN_REST_MS, (performance.now() - startedAt) * REST_SHARE), signal);
      await giveWay(WAY_MS);
    }
  }

  /** Removes a few of the oldest. False when there is nothing that may go. */
  async #step({ missingBytes, registry, pace, onRemoved }: StepWish): Promise<boolean> {
    const { index, removal } = this.#options;
    if (registry === undefined && (await this.#discardParked(PARKED_MS))) return true;
    let limit = BATCH[pace] + this.#options.downloads().length;
    for (;;) {
      const roots = await index.oldestRoots({ limit, ...(registry !== undefined && { registry }) });
      // Finding and removing take some ms each: requests that wait have their turn in between.
      if (pace === 'leisurely') await nextTurn();
      const inFlight = await this.#inFlight();
      const kept = roots.filter((root) => this.#isKept(root));
      if (kept.length > 0) {
        await index.setAside(kept);
        // Of many that stay a page at a time, and others have their turn in between.
        limit = Math.max(limit, SET_ASIDE_PAGE);
        await nextTurn();
        if (this.#stop.signal.aborted) return false;
        continue;
      }
      const movable = roots.filter((root) => !inFlight.has(keyOf(root))).slice(0, BATCH[pace]);
      const victims = chooseVictims(movable, missingBytes);
      if (victims.length > 0) {
        const freed = await removal.drop(victims, 'evicted');
        onRemoved?.(victims, freed);
        return true;
      }
      if (roots.length < limit) return registry === undefined && (await this.#discardParked(0));
      limit *= 2;
      await nextTurn();
    }
  }

  /** The images that downloads under way are for: of each repository the one that was pulled last of those that have it. */
  async #inFlight(): Promise<ReadonlySet<string>> {
    const { downloads, index } = this.#options;
    const keys = new Set<string>();
    for (const { digest, repositories } of downloads()) {
      for (const { name: repository } of repositories) {
        const root = await index.latestRootOf(repository, digest);
        if (root !== undefined) keys.add(keyOf({ repository, digest: root }));
      }
    }
    return keys;
  }

  #isKept(root: Root): boolean {
    const { pins, hosted } = this.#options;
    return pins.has(root) || hosted.has(registryOf(root.repository));
  }

  /** Gives up the oldest broken-off download that nobody has asked for since. */
  async #discardParked(unaskedForMs: number): Promise<boolean> {
    const { budget, store } = this.#options;
    for (const { digest, atMs } of budget.abandoned) {
      // A clock that was set back makes pieces of the future: they are not young.
      if (Math.abs(Date.now() - atMs) < unaskedForMs) continue;
      try {
        await store.discardInterrupted(digest);
        budget.unpark(digest);
        return true;
      } catch (error) {
        // It was taken up again this moment, and goes on to count.
        if (!(error instanceof ContentError)) throw error;
      }
    }
    return false;
  }
}

function keyOf({ repository, digest }: Pick<Root, 'repository' | 'digest'>): string {
  return `${repository}@${digest}`;
}
