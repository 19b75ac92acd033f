import type { Digest } from '../../oci/digest.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Cause, RegistryEvent } from '../event-index.ts';
import type {
  BlobDeletion,
  BlobRow,
  DoomedContent,
  ManifestDeletion,
  ManifestRecord,
  ManifestRow,
  MetadataIndex,
  PushResult,
  RepositorySummary,
  Root,
  TagRow,
  TagTarget,
  Usage,
  Use,
} from '../metadata-index.ts';
import { backUp } from './backup.ts';
import { openParts, type IndexParts, type SqliteIndexOptions } from './index-parts.ts';
import { SqliteReplicationIndex } from './sqlite-replication-index.ts';

/** The index in one SQLite file. Calls take some 20 to 80 µs, which is why they may run on the event loop. */
export class SqliteIndex extends SqliteReplicationIndex implements MetadataIndex {
  readonly #parts: IndexParts;
  readonly #closing = new AbortController();
  #backup: Promise<void> | undefined;

  /** @throws MetadataError in use, too new, damaged, read-only or full; the file is left as it was */
  constructor(file: string, options: SqliteIndexOptions) {
    const parts = openParts(file, options);
    super(parts);
    this.#parts = parts;
  }

  async findTag(repository: string, tag: string): Promise<TagRow | undefined> {
    return this.#parts.tags.find(repository, tag);
  }

  async findManifest(repository: string, digest: Digest): Promise<ManifestRow | undefined> {
    return this.#parts.manifests.find(repository, digest);
  }

  async putManifest(record: ManifestRecord): Promise<void> {
    this.#parts.manifests.put(record);
  }

  async putTag(repository: string, tag: string, digest: Digest, atMs: number): Promise<void> {
    this.#parts.tags.put(repository, tag, digest, atMs);
  }

  async dropTag(repository: string, tag: string): Promise<boolean> {
    return this.#parts.tags.drop(repository, tag);
  }

  async listTags(repository: string): Promise<string[]> {
    return this.#parts.tags.names(repository);
  }

  async listRepositories(page: { prefix?: string; after?: string; limit: number }): Promise<string[]> {
    return this.#parts.manifests.repositories(page);
  }

  async findBlob(repository: string, digest: Digest): Promise<BlobRow> {
    return this.#parts.blobs.find(repository, digest);
  }

  async putBlob(blob: Parameters<MetadataIndex['putBlob']>[0]): Promise<void> {
    this.#parts.blobs.put(blob);
  }

  async linkBlob(repository: string, digest: Digest): Promise<void> {
    this.#parts.blobs.link(repository, digest);
  }

  async removeBlobs(digests: readonly Digest[]): Promise<void> {
    this.#parts.blobs.remove(digests);
  }

  async listBlobs(after: string, limit: number): Promise<{ digest: Digest; sizeBytes: number }[]> {
    return this.#parts.blobs.list(after, limit);
  }

  async repositoriesOf(digest: Digest, limit: number): Promise<{ repository: string; isManifest: boolean }[]> {
    return this.#parts.blobs.repositoriesOf(digest, limit);
  }

  async findListing(repository: string, key: string): Promise<{ body: Uint8Array; validatedAtMs: number } | undefined> {
    return this.#parts.listings.find(repository, key);
  }

  async putListing(listing: Parameters<MetadataIndex['putListing']>[0]): Promise<boolean> {
    return this.#parts.listings.put(listing);
  }

  noteUse(use: Use): void {
    this.#parts.uses.note(use);
  }

  async flushUses(): Promise<void> {
    await this.#parts.uses.flush();
  }

  async oldestRoots(query: { registry?: string; limit: number }): Promise<Root[]> {
    return this.#parts.oldest.find(query);
  }

  async setAside(roots: readonly { repository: string; digest: Digest }[]): Promise<void> {
    await this.#parts.oldest.setAside(roots);
  }

  async clearSetAside(): Promise<void> {
    await this.#parts.oldest.clearSetAside();
  }

  async dropRoots(roots: readonly { repository: string; digest: Digest }[]): Promise<DoomedContent[]> {
    return this.#parts.removal.drop(roots);
  }

  async listRoots(query: Parameters<MetadataIndex['listRoots']>[0]): Promise<Root[]> {
    return this.#parts.lists.list(query);
  }

  async previewDrop(roots: readonly { repository: string; digest: Digest }[]): Promise<DoomedContent[]> {
    return this.#parts.removal.preview(roots);
  }

  async latestRootOf(repository: string, digest: Digest): Promise<Digest | undefined> {
    return this.#parts.lists.latestRootOf(repository, digest);
  }

  async rootsAbove(repository: string, digest: Digest, limit: number): Promise<Digest[]> {
    return this.#parts.lists.rootsAbove(repository, digest, limit);
  }

  async contentOf(root: { repository: string; digest: Digest }): Promise<{ digest: Digest; sizeBytes: number }[]> {
    return this.#parts.lists.contentOf(root);
  }

  async listDoomed(limit: number): Promise<DoomedContent[]> {
    return this.#parts.doomed.list(limit);
  }

  async isDoomed(digest: Digest): Promise<boolean> {
    return this.#parts.doomed.has(digest);
  }

  async settleDoomed(digests: readonly Digest[]): Promise<void> {
    this.#parts.doomed.settle(digests);
  }

  async usage(): Promise<Usage> {
    return this.#parts.sums.usage();
  }

  async summarize(page: { prefix?: string; after?: string; limit: number }): Promise<RepositorySummary[]> {
    return this.#parts.sums.summarize(page);
  }

  async sweep(limit: number): Promise<number> {
    return this.#parts.sweep.sweep(limit);
  }

  async backup(file: string): Promise<void> {
    if (this.#backup) throw new MetadataError('INDEX_FAILED', 'another backup is under way: wait for it');
    this.#backup = backUp(this.#parts.connection.database, file, this.#closing.signal);
    try {
      await this.#backup;
    } finally {
      this.#backup = undefined;
    }
  }

  async readNote(key: string): Promise<string | undefined> {
    return this.#parts.notes.read(key);
  }

  async writeNote(key: string, value: string | undefined): Promise<void> {
    this.#parts.notes.write(key, value);
  }

  async listPins(): Promise<{ pattern: string; atMs: number }[]> {
    return this.#parts.notes.pins();
  }

  async putPin(pattern: string, atMs: number): Promise<void> {
    this.#parts.notes.putPin(pattern, atMs);
  }

  async removePin(pattern: string): Promise<boolean> {
    return this.#parts.notes.removePin(pattern);
  }

  async pushManifest(record: ManifestRecord, required: readonly Digest[], cause: Cause): Promise<PushResult> {
    return this.#parts.manifests.push(record, required, cause);
  }

  async pushBlob(blob: Parameters<MetadataIndex['pushBlob']>[0], cause: Cause): Promise<void> {
    this.#parts.pushedBlobs.put(blob, cause);
  }

  async mountBlob(blob: Parameters<MetadataIndex['mountBlob']>[0], cause: Cause): Promise<boolean> {
    return this.#parts.pushedBlobs.mount(blob, cause);
  }

  async deleteTag(repository: string, tag: string, cause: Cause): Promise<'deleted' | 'unknown' | 'kept'> {
    return this.#parts.tags.delete(repository, tag, cause);
  }

  async deleteManifest(repository: string, digest: Digest, cause: Cause): Promise<ManifestDeletion | undefined> {
    return this.#parts.deletion.manifest(repository, digest, cause);
  }

  async deleteBlob(repository: string, digest: Digest): Promise<BlobDeletion> {
    return this.#parts.deletion.blob(repository, digest);
  }

  async listReferrers(query: Parameters<MetadataIndex['listReferrers']>[0]): Promise<ManifestRow[]> {
    return this.#parts.pushedLists.referrers(query);
  }

  async listTagRows(query: Parameters<MetadataIndex['listTagRows']>[0]): Promise<TagTarget[]> {
    return this.#parts.pushedLists.tags(query);
  }

  async readEvents(after: number, limit: number): Promise<RegistryEvent[]> {
    return this.#parts.events.read(after, limit);
  }

  async lastEvent(): Promise<number> {
    return this.#parts.events.last();
  }

  async trimEvents({ beforeMs }: { beforeMs: number }, limit: number): Promise<number> {
    return this.#parts.events.trim(beforeMs, limit);
  }

  async restoreEvents(events: readonly RegistryEvent[], last: number): Promise<void> {
    await this.#parts.events.restore(events, last);
  }

  onEvents(listener: () => void): Disposable {
    return this.#parts.events.listen(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { connection, uses, events } = this.#parts;
    uses.stop();
    events.stop();
    this.#closing.abort(new MetadataError('INDEX_FAILED', 'the index was closed before its backup was done'));
    await this.#backup?.catch(() => undefined);
    if (!connection.database.open) return;
    try {
      await uses.flush();
    } finally {
      connection.database.close();
    }
  }
}
