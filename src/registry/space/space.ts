import type { ContentStore } from '../../content/content-store.ts';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import { DiskBudget } from './disk-budget.ts';
import { type Download, Eviction } from './eviction.ts';
import { PinnedContent } from './pinned-content.ts';
import { Pins } from './pins.ts';
import { Removal } from './removal.ts';
import type { SpaceLimits } from './room.ts';

export interface SpaceOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly telemetry: Telemetry;
  readonly locks: KeyedLock;
  readonly limits: SpaceLimits;
  /** Patterns of the configuration. */
  readonly pins: readonly string[];
  /** Registries whose content nobody could give us again. */
  readonly hosted: readonly string[];
  /** Downloads under way. */
  readonly downloads: () => readonly Download[];
}

/** The disk: who may write how much, and what goes when it is full. */
export interface Space {
  readonly budget: DiskBudget;
  readonly removal: Removal;
  readonly pins: Pins;
  readonly eviction: Eviction;
}

/** Puts the parts together. */
export function createSpace(options: SpaceOptions): Space {
  const { store, index, telemetry, locks, limits } = options;
  const budget = new DiskBudget({ store, index, limits });
  const removal = new Removal({ store, index, locks, telemetry });
  const pins = new Pins(index, options.pins);
  const hosted = new Set(options.hosted);
  const eviction = new Eviction({
    store,
    index,
    budget,
    removal,
    pins,
    pinned: new PinnedContent(index, pins, hosted),
    telemetry,
    downloads: options.downloads,
    hosted,
  });
  budget.use(eviction);
  return { budget, removal, pins, eviction };
}
