import type { Digest } from '../../oci/digest.ts';
import type { DoomedContent } from '../metadata-index.ts';
import type { Connection } from './connection.ts';

/** Content that is to leave the store. */
export class Doomed {
  readonly #connection: Connection;
  readonly #statements;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      add: connection.prepare<[contentId: number, sizeBytes: number]>(
        'INSERT INTO doomed (content_id, size_bytes) VALUES (?, ?) ON CONFLICT DO NOTHING',
      ),
      list: connection.prepare<[limit: number], DoomedContent>(`
        SELECT c.digest, d.size_bytes AS sizeBytes FROM doomed d CROSS JOIN content c WHERE c.id = d.content_id LIMIT ?`),
      find: connection.pluck<[digest: string], 1>(
        'SELECT 1 FROM content c CROSS JOIN doomed d WHERE c.digest = ? AND d.content_id = c.id',
      ),
      remove: connection.prepare<[digest: string]>(
        'DELETE FROM doomed WHERE content_id = (SELECT id FROM content WHERE digest = ?)',
      ),
    };
  }

  /** In a transaction. */
  add(contentId: number, sizeBytes: number): void {
    this.#statements.add.run(contentId, sizeBytes);
  }

  list(limit: number): DoomedContent[] {
    return this.#connection.run(() => this.#statements.list.all(limit));
  }

  has(digest: Digest): boolean {
    return this.#connection.run(() => this.#statements.find.get(digest)) !== undefined;
  }

  settle(digests: readonly Digest[]): void {
    this.#connection.writeLazily(() => {
      for (const digest of digests) this.#statements.remove.run(digest);
    });
  }
}
