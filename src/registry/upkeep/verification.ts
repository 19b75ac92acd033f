import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { VerifyProgress, VerifyReport, WorkOptions } from '../operations/operations.ts';
import type { Healing } from './healing.ts';
import type { LostContent } from './lost-content.ts';

/** What to look at. */
export type VerificationScope =
  | { readonly kind: 'everything' }
  | { readonly kind: 'roots'; readonly roots: readonly { readonly repository: string; readonly digest: Digest }[] };

interface Content {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

const PAGE = 500;

/** Re-hashes content that an operator asks about, and fetches again what is bad. */
export class Verification {
  readonly #index: Pick<MetadataIndex, 'listBlobs' | 'contentOf' | 'usage'>;
  readonly #lost: LostContent;
  readonly #healing: Healing;

  constructor(index: Pick<MetadataIndex, 'listBlobs' | 'contentOf' | 'usage'>, lost: LostContent, healing: Healing) {
    this.#index = index;
    this.#lost = lost;
    this.#healing = healing;
  }

  /** @throws the signal's reason */
  async run(
    scope: VerificationScope,
    { signal, onProgress, bytesPerSecond }: WorkOptions<VerifyProgress> & { bytesPerSecond?: number },
  ): Promise<VerifyReport> {
    const contents = scope.kind === 'everything' ? this.#everything() : this.#contentOf(scope.roots);
    const progress = { ...(await this.#extent(scope)), blobsDone: 0, bytesDone: 0 };
    const found = { damaged: [] as string[], missing: [] as string[], healed: [] as string[] };
    const pace = { signal, ...(bytesPerSecond !== undefined && { bytesPerSecond }) };
    for await (const { digest, sizeBytes } of contents) {
      signal.throwIfAborted();
      const finding = await this.#lost.examine(digest, 'scrub', pace);
      if (finding === 'damaged' || finding === 'missing') {
        found[finding].push(digest);
        if (await this.#healing.heal(digest)) found.healed.push(digest);
      }
      progress.blobsDone += 1;
      progress.bytesDone += sizeBytes;
      onProgress({ ...progress });
    }
    return { ...progress, blobs: progress.blobsDone, bytes: progress.bytesDone, ...found };
  }

  async #extent(scope: VerificationScope): Promise<{ blobs: number; bytes: number }> {
    if (scope.kind === 'everything') {
      const { blobs, diskBytes } = await this.#index.usage();
      return { blobs, bytes: diskBytes };
    }
    let blobs = 0;
    let bytes = 0;
    for await (const { sizeBytes } of this.#contentOf(scope.roots)) {
      blobs += 1;
      bytes += sizeBytes;
    }
    return { blobs, bytes };
  }

  async *#everything(): AsyncGenerator<Content> {
    let after = '';
    for (;;) {
      const page = await this.#index.listBlobs(after, PAGE);
      yield* page;
      const last = page.at(-1);
      if (!last) return;
      after = last.digest;
    }
  }

  async *#contentOf(roots: readonly { repository: string; digest: Digest }[]): AsyncGenerator<Content> {
    const seen = new Set<Digest>();
    for (const root of roots) {
      for (const content of await this.#index.contentOf(root)) {
        if (seen.has(content.digest)) continue;
        seen.add(content.digest);
        yield content;
      }
    }
  }
}
