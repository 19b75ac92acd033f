import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestRow, TagRow } from '../metadata-index.ts';

/** Rows of each kind that are kept. */
const ROWS_LIMIT = 10_000;

/** Manifests that are asked for again and again. Whoever changes a row forgets it here. */
export class RowCache {
  readonly #tags = new LRUCache<string, TagRow>({ max: ROWS_LIMIT });
  readonly #manifests = new LRUCache<string, ManifestRow>({ max: ROWS_LIMIT });

  /** What is kept of the tag, else what `find` finds. */
  tag(repository: string, tag: string, find: () => TagRow | undefined): TagRow | undefined {
    return kept(this.#tags, `${repository}:${tag}`, find);
  }

  /** What is kept of the manifest, else what `find` finds. */
  manifest(repository: string, digest: Digest, find: () => ManifestRow | undefined): ManifestRow | undefined {
    return kept(this.#manifests, `${repository}@${digest}`, find);
  }

  forgetTag(repository: string, tag: string): void {
    this.#tags.delete(`${repository}:${tag}`);
  }

  forgetManifest(repository: string, digest: Digest): void {
    this.#manifests.delete(`${repository}@${digest}`);
  }

  forgetAll(): void {
    this.#tags.clear();
    this.#manifests.clear();
  }
}

function kept<Row extends object>(rows: LRUCache<string, Row>, key: string, find: () => Row | undefined) {
  const known = rows.get(key);
  if (known) return known;
  const found = find();
  if (found) rows.set(key, found);
  return found;
}
