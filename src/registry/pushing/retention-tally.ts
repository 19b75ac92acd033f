import type { RetentionReport } from '../operations/operations.ts';

/** Beyond this many their names are of no use to anyone. */
const MAX_NAMED = 1_000;

type Named = RetentionReport['removed'][number];

/** Adds up what retention removes. */
export class RetentionTally {
  readonly isDryRun: boolean;
  readonly #removed: Named[] = [];
  #repositories = 0;
  #tags = 0;
  #manifests = 0;

  constructor(isDryRun: boolean) {
    this.isDryRun = isDryRun;
  }

  /** One was looked at. */
  addRepository(): void {
    this.#repositories += 1;
  }

  addTag(tag: Required<Named>): void {
    this.#tags += 1;
    this.#name(tag);
  }

  /** An image that had no tag. */
  addManifest(manifest: Omit<Named, 'tag'>): void {
    this.#manifests += 1;
    this.#name(manifest);
  }

  report(): RetentionReport {
    return {
      isDryRun: this.isDryRun,
      repositories: this.#repositories,
      tags: this.#tags,
      manifests: this.#manifests,
      removed: this.#removed,
    };
  }

  #name(named: Named): void {
    if (this.#removed.length < MAX_NAMED) this.#removed.push(named);
  }
}
