import type { Database } from 'better-sqlite3';
import { LRUCache } from 'lru-cache';
import { digestAlgorithm, type Digest } from '../../oci/digest.ts';
import type { BlobRow, ManifestRecord, ManifestRow, MetadataIndex, TagRow, Use } from '../metadata-index.ts';
import { MetadataError } from '../metadata-error.ts';
import { openDatabase, translated } from './open-database.ts';
import { prepareStatements, type Statements } from './statements.ts';

/** Uses are gathered this long: one transaction then serves thousands of pulls. */
const USES_FLUSH_MS = 5_000;
/** More than this many noted uses are written before the time is up. */
const USES_LIMIT = 10_000;

/** Rows of manifests that are asked for again and again, kept until something is written. */
const ROWS_LIMIT = 10_000;

/** The index in one SQLite file. Calls take some 20 to 80 µs, which is why they may run on the event loop. */
export class SqliteIndex implements MetadataIndex {
  readonly #file: string;
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #tagRows = new LRUCache<string, TagRow>({ max: ROWS_LIMIT });
  readonly #manifestRows = new LRUCache<string, ManifestRow>({ max: ROWS_LIMIT });
  readonly #uses = new Map<string, Use>();
  readonly #usesTimer: NodeJS.Timeout;
  readonly #onFlushError: (error: unknown) => void;

  /** @throws MetadataError see {@link openDatabase} */
  constructor(file: string, options: { onFlushError: (error: unknown) => void }) {
    this.#file = file;
    this.#database = openDatabase(file);
    this.#statements = prepareStatements(this.#database);
    this.#onFlushError = options.onFlushError;
    this.#usesTimer = setInterval(() => this.#flushSoon(), USES_FLUSH_MS).unref();
  }

  async findTag(repository: string, tag: string): Promise<TagRow | undefined> {
    const key = `${repository}:${tag}`;
    const kept = this.#tagRows.get(key);
    if (kept) return kept;
    const row = this.#run(() => this.#statements.findTag.get(repository, tag));
    if (!row) return undefined;
    const found = { ...manifestRow(row), validatedAtMs: row.validated_at };
    this.#tagRows.set(key, found);
    return found;
  }

  async findManifest(repository: string, digest: Digest): Promise<ManifestRow | undefined> {
    const key = `${repository}@${digest}`;
    const kept = this.#manifestRows.get(key);
    if (kept) return kept;
    const row = this.#run(() => this.#statements.findManifest.get(repository, digest));
    if (!row) return undefined;
    const found = manifestRow(row);
    this.#manifestRows.set(key, found);
    return found;
  }

  async putManifest(record: ManifestRecord): Promise<void> {
    const { putManifest, putBlob, putReference, linkContent } = this.#statements;
    this.#transaction(() => {
      const repositoryId = this.#repositoryId(record.repository);
      const manifestId = this.#contentId(record.digest);
      putBlob.run(manifestId, record.sizeBytes, record.atMs);
      putManifest.run(manifestId, record.mediaType, record.artifactType ?? null);
      linkContent.run(repositoryId, manifestId, record.sizeBytes, record.atMs);
      for (const reference of record.references) {
        const contentId = this.#contentId(reference.digest);
        putReference.run(manifestId, contentId, reference.role);
        // A registry takes an image only with its blobs there; subjects and an index's children are merely named.
        const isThere = reference.role === 'config' || reference.role === 'layer';
        if (isThere) linkContent.run(repositoryId, contentId, reference.sizeBytes, null);
      }
      for (const tag of record.tags) this.#putTag(repositoryId, tag, manifestId, record.atMs);
    });
  }

  async putTag(repository: string, tag: string, digest: Digest, atMs: number): Promise<void> {
    this.#transaction(() => {
      const contentId = this.#statements.contentId.get(digest);
      if (contentId === undefined) throw new MetadataError('INDEX_FAILED', `tag ${tag}: ${digest} is not in the index`);
      this.#putTag(this.#repositoryId(repository), tag, contentId, atMs);
    });
  }

  async listTags(repository: string): Promise<string[]> {
    return this.#run(() => this.#statements.tags.all(repository));
  }

  async listRepositories(page: { prefix?: string; after?: string; limit: number }): Promise<string[]> {
    const { prefix = '', after = '', limit } = page;
    return this.#run(() => this.#statements.repositoriesAfter.all({ prefix, after, limit }));
  }

  async findBlob(repository: string, digest: Digest): Promise<BlobRow> {
    const row = this.#run(() => this.#statements.findBlob.get({ repository, digest }));
    return {
      isStored: typeof row?.size_bytes === 'number',
      belongs: row?.belongs === 1,
      sizeBytes: row?.size_bytes ?? row?.named_size ?? undefined,
      storedAtMs: row?.stored_at ?? undefined,
    };
  }

  async putBlob(blob: {
    digest: Digest;
    sizeBytes: number;
    repositories: readonly string[];
    atMs: number;
  }): Promise<void> {
    this.#transaction(() => {
      const contentId = this.#contentId(blob.digest);
      this.#statements.putBlob.run(contentId, blob.sizeBytes, blob.atMs);
      for (const name of blob.repositories)
        this.#statements.linkContent.run(this.#repositoryId(name), contentId, blob.sizeBytes, blob.atMs);
    });
  }

  async linkBlob(repository: string, digest: Digest): Promise<void> {
    this.#transaction(() => {
      this.#statements.linkContent.run(this.#repositoryId(repository), this.#contentId(digest), null, Date.now());
    });
  }

  async removeBlob(digest: Digest): Promise<void> {
    this.#transaction(() => this.#statements.removeBlob.run(digest));
  }

  async listBlobs(after: string, limit: number): Promise<{ digest: Digest; sizeBytes: number }[]> {
    const rows = this.#run(() => this.#statements.blobsAfter.all(after, limit));
    return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes }));
  }

  async countBlobs(): Promise<{ blobs: number; sizeBytes: number }> {
    const row = this.#run(() => this.#statements.totals.get());
    return { blobs: row?.blobs ?? 0, sizeBytes: row?.size_bytes ?? 0 };
  }

  async findListing(repository: string, key: string): Promise<{ body: Uint8Array; validatedAtMs: number } | undefined> {
    const row = this.#run(() => this.#statements.findListing.get(repository, key));
    return row && { body: row.body, validatedAtMs: row.validated_at };
  }

  async putListing(repository: string, key: string, body: Uint8Array, atMs: number): Promise<void> {
    this.#transaction(() => this.#statements.putListing.run(this.#repositoryId(repository), key, body, atMs));
  }

  noteUse(use: Use): void {
    const key = `${use.repository}@${use.digest}`;
    // A clock that was set back must not make something look older than it is.
    if ((this.#uses.get(key)?.atMs ?? 0) <= use.atMs) this.#uses.set(key, use);
    if (this.#uses.size >= USES_LIMIT) this.#flushSoon();
  }

  async flushUses(): Promise<void> {
    if (this.#uses.size === 0) return;
    const uses = [...this.#uses.values()];
    this.#uses.clear();
    this.#write(() => {
      for (const { repository, digest, atMs } of uses)
        this.#statements.touchContent.run({ repository, digest, at: atMs });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#usesTimer);
    if (!this.#database.open) return;
    try {
      await this.flushUses();
    } finally {
      this.#database.close();
    }
  }

  #flushSoon(): void {
    this.flushUses().catch(this.#onFlushError);
  }

  #repositoryId(name: string): number {
    const known = this.#statements.repositoryId.get(name);
    return known ?? Number(this.#statements.addRepository.run(name).lastInsertRowid);
  }

  #contentId(digest: Digest): number {
    this.#statements.addContent.run(digest);
    const id = this.#statements.contentId.get(digest);
    if (id === undefined) throw new MetadataError('INDEX_FAILED', `no row for a ${digestAlgorithm(digest)} digest`);
    return id;
  }

  #putTag(repositoryId: number, tag: string, contentId: number, at: number): void {
    this.#statements.putTag.run({ repositoryId, tag, contentId, at });
  }

  /** A write that may change rows which are kept: writes are rare beside reads, so all of them go. */
  #transaction(work: () => void): void {
    this.#write(work);
    this.#tagRows.clear();
    this.#manifestRows.clear();
  }

  #write(work: () => void): void {
    this.#run(() => this.#database.transaction(work).immediate());
  }

  #run<Value>(work: () => Value): Value {
    return translated(this.#file, work);
  }
}

function manifestRow(row: { digest: string; media_type: string; size_bytes: number; stored_at: number }): ManifestRow {
  return {
    digest: row.digest as Digest,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    storedAtMs: row.stored_at,
  };
}
