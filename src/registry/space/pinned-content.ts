import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RootIndex } from '../../metadata/metadata-index.ts';
import { diskBytesOf } from './disk-blocks.ts';
import type { Pins } from './pins.ts';
import { registryOf } from './registry-of.ts';

/** Pins change seldom, and what they hold by one image at a time. */
const REMEMBER_MS = 60_000;
const PAGE = 50;

/** How much of the disk is taken by images that are pinned. Hosted ones are not counted: they stay anyway. */
export class PinnedContent {
  readonly #index: Pick<RootIndex, 'listRoots' | 'contentOf'>;
  readonly #pins: Pins;
  readonly #hosted: ReadonlySet<string>;
  #last: { bytes: number; images: number; atMs: number; revision: number } | undefined;
  #measuring: Promise<number> | undefined;

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

  /** Each digest once, as the disk counts it. It may be a minute old. */
  async bytes(): Promise<number> {
    if (this.#pins.isEmpty) return 0;
    const { revision } = this.#pins;
    const last = this.#last;
    if (last && last.revision === revision && Date.now() - last.atMs < REMEMBER_MS) return last.bytes;
    // One at a time: with many images it takes seconds, in small pieces.
    this.#measuring ??= this.#measure()
      .then(({ bytes, images }) => {
        this.#last = { bytes, images, atMs: Date.now(), revision };
        return bytes;
      })
      .finally(() => {
        this.#measuring = undefined;
      });
    return this.#measuring;
  }

  async #measure(): Promise<{ bytes: number; images: number }> {
    const sizes = new Map<string, number>();
    let images = 0;
    for (const scope of this.#scopes()) {
      let after: { repository: string; digest: string } | undefined;
      for (;;) {
        const page = await this.#index.listRoots({ ...scope, limit: PAGE, ...(after && { after }) });
        for (const root of page) {
          if (!this.#pins.has(root) || this.#hosted.has(registryOf(root.repository))) continue;
          images += 1;
          for (const { digest, sizeBytes } of await this.#index.contentOf(root)) {
            sizes.set(digest, diskBytesOf(sizeBytes));
          }
        }
        after = page.at(-1);
        if (!after) break;
        await nextTurn();
      }
    }
    return { bytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0), images };
  }

  /** Where pinned images can be: in the repositories that all pins name, if they do. */
  #scopes(): readonly { repository?: string }[] {
    return this.#pins.repositories?.map((repository) => ({ repository })) ?? [{}];
  }
}
