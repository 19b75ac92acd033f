import Database from 'better-sqlite3';
import type { ManifestRecord } from '../../../src/metadata/metadata-index.ts';
import { MIGRATIONS } from '../../../src/metadata/sqlite/migrations.ts';
import type { Digest } from '../../../src/oci/digest.ts';

/** Writes an index as the program of version 1 did. */
export class Version1Index implements Disposable {
  readonly #database: Database.Database;

  constructor(file: string) {
    this.#database = new Database(file);
    this.#database.pragma('journal_mode = WAL');
    this.#database.exec(MIGRATIONS[0] ?? '');
    this.#database.pragma('application_id = 0x656e7472');
    this.#database.pragma('user_version = 1');
  }

  putManifest(record: ManifestRecord): void {
    const repositoryId = this.#repositoryId(record.repository);
    const manifestId = this.#contentId(record.digest);
    this.#putBlob(manifestId, record.sizeBytes, record.atMs);
    this.#run('INSERT INTO manifest VALUES (?, ?, ?) ON CONFLICT DO NOTHING', manifestId, record.mediaType, null);
    this.#link(repositoryId, manifestId, record.sizeBytes, record.atMs);
    for (const reference of record.references) {
      const contentId = this.#contentId(reference.digest);
      this.#run('INSERT INTO reference VALUES (?, ?, ?) ON CONFLICT DO NOTHING', manifestId, contentId, reference.role);
      const isThere = reference.role === 'config' || reference.role === 'layer';
      if (isThere) this.#link(repositoryId, contentId, reference.sizeBytes, null);
    }
    for (const tag of record.tags) {
      this.#run(
        `INSERT INTO tag VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET content_id = excluded.content_id`,
        repositoryId,
        tag,
        manifestId,
        record.atMs,
        record.atMs,
      );
    }
  }

  putBlob(digest: Digest, sizeBytes: number, repositories: readonly string[], at: number): void {
    const contentId = this.#contentId(digest);
    this.#putBlob(contentId, sizeBytes, at);
    for (const name of repositories) this.#link(this.#repositoryId(name), contentId, sizeBytes, at);
  }

  linkBlob(repository: string, digest: Digest, at: number): void {
    this.#link(this.#repositoryId(repository), this.#contentId(digest), null, at);
  }

  removeBlob(digest: Digest): void {
    this.#run('DELETE FROM blob WHERE content_id = ?', this.#contentId(digest));
  }

  putListing(repository: string, key: string, body: string): void {
    this.#run('INSERT INTO listing VALUES (?, ?, ?, ?)', this.#repositoryId(repository), key, Buffer.from(body), 1);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #putBlob(contentId: number, sizeBytes: number, at: number): void {
    this.#run('INSERT INTO blob VALUES (?, ?, ?) ON CONFLICT DO NOTHING', contentId, sizeBytes, at);
  }

  #link(repositoryId: number, contentId: number, sizeBytes: number | null, at: number | null): void {
    this.#run(
      'INSERT INTO repository_content VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      repositoryId,
      contentId,
      sizeBytes,
      at,
    );
  }

  #repositoryId(name: string): number {
    this.#run('INSERT INTO repository (name) VALUES (?) ON CONFLICT DO NOTHING', name);
    return this.#id('SELECT id FROM repository WHERE name = ?', name);
  }

  #contentId(digest: Digest): number {
    this.#run('INSERT INTO content (digest) VALUES (?) ON CONFLICT DO NOTHING', digest);
    return this.#id('SELECT id FROM content WHERE digest = ?', digest);
  }

  #id(sql: string, name: string): number {
    return this.#database.prepare<[string], number>(sql).pluck().get(name) as unknown as number;
  }

  #run(sql: string, ...parameters: unknown[]): void {
    this.#database.prepare(sql).run(...parameters);
  }
}
