import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RootIndex } from '../../metadata/metadata-index.ts';
import { diskBytesOf } from './disk-blocks.ts';
import type { Pins } from './pins.ts';

/** Pins change seldom, and what they hold by one image at a time. */
const REMEMBER_MS = 60_000;
const PAGE = 200;

/** How much of the disk is taken by images that are pinned. */
export class PinnedContent {
  readonly #index: Pick<RootIndex, 'listRoots' | 'contentOf'>;
  readonly #pins: Pins;
  #known: { bytes: Promise<number>; atMs: number; revision: number } | undefined;

  constructor(index: Pick<RootIndex, 'listRoots' | 'contentOf'>, pins: Pins) {
    this.#index = index;
    this.#pins = pins;
  }

  /** Each digest once, as the disk counts it. At most a minute old. */
  async bytes(): Promise<number> {
    if (this.#pins.isEmpty) return 0;
    const { revision } = this.#pins;
    const known = this.#known;
    if (known && known.revision === revision && Date.now() - known.atMs < REMEMBER_MS) return known.bytes;
    const bytes = this.#measure();
    this.#known = { bytes, atMs: Date.now(), revision };
    bytes.catch(() => {
      this.#known = undefined;
    });
    return bytes;
  }

  async #measure(): Promise<number> {
    const sizes = new Map<string, number>();
    let after: { repository: string; digest: string } | undefined;
    for (;;) {
      const page = await this.#index.listRoots({ limit: PAGE, ...(after && { after }) });
      for (const root of page) {
        if (!this.#pins.has(root)) continue;
        for (const { digest, sizeBytes } of await this.#index.contentOf(root))
          sizes.set(digest, diskBytesOf(sizeBytes));
      }
      after = page.at(-1);
      if (!after) break;
      await nextTurn();
    }
    return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }
}
