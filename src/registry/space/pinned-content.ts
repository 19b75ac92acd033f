import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RootIndex } from '../../metadata/metadata-index.ts';
import { diskBytesOf } from './disk-blocks.ts';
import type { Pins } from './pins.ts';
import { registryOf } from './registry-of.ts';

/** Pins change seldom, and what they hold by one image at a time. */
const REMEMBER_MS = 60_000;
const PAGE = 50;

interface Measured {
  readonly bytes: number;
  readonly bytesByRegistry: ReadonlyMap<string, number>;
  readonly images: number;
}

/** How much of the disk is taken by images that are pinned. Hosted ones are not counted: they stay anyway. */
export class PinnedContent {
  readonly #index: Pick<RootIndex, 'listRoots' | 'contentOf'>;
  readonly #pins: Pins;
  readonly #hosted: ReadonlySet<string>;
  #last: (Measured & { readonly atMs: number; readonly revision: number }) | undefined;
  #measuring: Promise<Measured> | undefined;

  /** @param hosted registries whose content nobody could give us again */
  constructor(index: Pick<RootIndex, 'listRoots' | 'contentOf'>, pins: Pins, hosted: ReadonlySet<string> = new Set()) {
    this.#index = index;
    this.#pins = pins;
    this.#hosted = hosted;
  }

  /** What was last found. */
  get lastBytes(): number {
    return this.#last?.bytes ?? 0;
  }

  /** How many images that were. */
  get lastImages(): number {
    return this.#pins.isEmpty ? 0 : (this.#last?.images ?? 0);
  }

  /** Each digest once, as the disk counts it: of everything, or of a registry. It may be a minute old. */
  async bytes(registry?: string): Promise<number> {
    if (this.#pins.isEmpty) return 0;
    const { bytes, bytesByRegistry } = await this.#remembered();
    return registry === undefined ? bytes : (bytesByRegistry.get(registry) ?? 0);
  }

  async #remembered(): Promise<Measured> {
    const { revision } = this.#pins;
    const last = this.#last;
    // Not by the time of day, which may be set back.
    if (last && last.revision === revision && performance.now() - last.atMs < REMEMBER_MS) return last;
    // One at a time: with many images it takes seconds, in small pieces.
    this.#measuring ??= this.#measure()
      .then((measured) => {
        this.#last = { ...measured, atMs: performance.now(), revision };
        return measured;
      })
      .finally(() => {
        this.#measuring = undefined;
      });
    return this.#measuring;
  }

  async #measure(): Promise<Measured> {
    const sizes = new Map<string, number>();
    const byRegistry = new Map<string, Map<string, number>>();
    let images = 0;
    for (const scope of this.#scopes()) {
      let after: { repository: string; digest: string } | undefined;
      for (;;) {
        const page = await this.#index.listRoots({ ...scope, limit: PAGE, ...(after && { after }) });
        for (const root of page) {
          if (!this.#pins.has(root) || this.#hosted.has(registryOf(root.repository))) continue;
          images += 1;
          const registry = registryOf(root.repository);
          const own = byRegistry.get(registry) ?? new Map<string, number>();
          byRegistry.set(registry, own);
          for (const { digest, sizeBytes } of await this.#index.contentOf(root)) {
            for (const counted of [sizes, own]) counted.set(digest, diskBytesOf(sizeBytes));
          }
        }
        after = page.at(-1);
        if (!after) break;
        await nextTurn();
      }
    }
    const bytesByRegistry = new Map([...byRegistry].map(([registry, own]) => [registry, sumOf(own)]));
    return { bytes: sumOf(sizes), bytesByRegistry, images };
  }

  /** Where pinned images can be: in the repositories that all pins name, if they do. */
  #scopes(): readonly { repository?: string }[] {
    return this.#pins.repositories?.map((repository) => ({ repository })) ?? [{}];
  }
}

function sumOf(sizes: ReadonlyMap<string, number>): number {
  return sizes.values().reduce((sum, bytes) => sum + bytes, 0);
}
