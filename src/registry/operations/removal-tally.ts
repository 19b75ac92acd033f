import type { Root } from '../../metadata/metadata-index.ts';
import type { Freed } from '../space/removal.ts';
import type { RemovalProgress, RemovalReport } from './operations.ts';

/** Beyond this many images their names are of no use to anyone. */
const MAX_NAMED = 1_000;

/** Adds up what is removed. */
export class RemovalTally {
  readonly isDryRun: boolean;
  readonly #images: { repository: string; tags: readonly string[]; digest: string }[] = [];
  readonly #roots: Root[] = [];
  #rootCount = 0;
  #imageCount = 0;
  #blobs = 0;
  #freedBytes = 0;
  #pinned = 0;

  constructor(isDryRun: boolean) {
    this.isDryRun = isDryRun;
  }

  get isEmpty(): boolean {
    // A loose blob frees nothing where another repository has it too, and in a dry run nothing is freed before the end.
    return this.#rootCount === 0 && this.#imageCount === 0;
  }

  /** @param pinned how many of them are pinned */
  add(roots: readonly Root[], freed: Freed, pinned = 0): void {
    if (this.isDryRun) this.#roots.push(...roots);
    this.#rootCount += roots.length;
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

  /** Pinned ones that are not among the roots: they are passed over. */
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

  progress(share: number): RemovalProgress {
    return { imageCount: this.#imageCount, freedBytes: this.#freedBytes, share: Math.min(1, share) };
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
