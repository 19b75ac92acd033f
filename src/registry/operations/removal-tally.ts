import type { Root } from '../../metadata/metadata-index.ts';
import type { Freed } from '../space/removal.ts';
import type { RemovalReport } from './operations.ts';

/** Beyond this many images their names are of no use to anyone. */
const MAX_NAMED = 1_000;

/** Adds up what is removed. */
export class RemovalTally {
  readonly isDryRun: boolean;
  readonly #images: { repository: string; tags: readonly string[]; digest: string }[] = [];
  readonly #roots: Root[] = [];
  #imageCount = 0;
  #blobs = 0;
  #freedBytes = 0;
  #pinned = 0;

  constructor(isDryRun: boolean) {
    this.isDryRun = isDryRun;
  }

  get isEmpty(): boolean {
    return this.#imageCount === 0 && this.#blobs === 0;
  }

  /** @param pinned how many of them are pinned */
  add(roots: readonly Root[], freed: Freed, pinned = 0): void {
    if (this.isDryRun) this.#roots.push(...roots);
    for (const { repository, tags, digest, isManifest } of roots) {
      if (isManifest) this.#name({ repository, tags, digest });
    }
    this.#blobs += freed.blobs;
    this.#freedBytes += freed.bytes;
    this.#pinned += pinned;
  }

  /** What is freed in all, where that is only known at the end. */
  addFreed({ blobs, bytes }: Freed): void {
    this.#blobs += blobs;
    this.#freedBytes += bytes;
  }

  /** Pinned ones that were passed over. */
  addPinned(count: number): void {
    this.#pinned += count;
  }

  /** All that were added. */
  get roots(): readonly Root[] {
    return this.#roots;
  }

  /** A tag went, and what it pointed at stays. */
  addTag(repository: string, tag: string, digest: string): void {
    this.#name({ repository, tags: [tag], digest });
  }

  report(): RemovalReport {
    return {
      isDryRun: this.isDryRun,
      images: this.#images,
      imageCount: this.#imageCount,
      blobs: this.#blobs,
      freedBytes: this.#freedBytes,
      pinned: this.#pinned,
    };
  }

  #name(image: { repository: string; tags: readonly string[]; digest: string }): void {
    this.#imageCount += 1;
    if (this.#images.length < MAX_NAMED) this.#images.push(image);
  }
}
