import type { Digest } from '../../oci/digest.ts';
import type { Connection } from './connection.ts';
import type { Node } from './graph.ts';
import type { Ids } from './ids.ts';

/** Answers of listing endpoints. */
export class Listings {
  readonly #connection: Connection;
  readonly #ids: Ids;
  readonly #statements;

  constructor(connection: Connection, ids: Ids) {
    this.#connection = connection;
    this.#ids = ids;
    this.#statements = {
      find: connection.prepare<[repository: string, key: string], { body: Buffer; validated_at: number }>(`
        SELECT body, validated_at FROM listing
        WHERE repository_id = (SELECT id FROM repository WHERE name = ?) AND key = ?`),
      isLinked: connection.pluck<Node, 1>(
        'SELECT 1 FROM repository_content WHERE repository_id = :repositoryId AND content_id = :contentId',
      ),
      put: connection.prepare<
        [repositoryId: number, key: string, aboutId: number | null, body: Uint8Array, validatedAt: number]
      >(`
        INSERT INTO listing (repository_id, key, about_id, body, validated_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE
          SET about_id = excluded.about_id, body = excluded.body, validated_at = excluded.validated_at`),
    };
  }

  find(repository: string, key: string): { body: Uint8Array; validatedAtMs: number } | undefined {
    const row = this.#connection.run(() => this.#statements.find.get(repository, key));
    return row && { body: row.body, validatedAtMs: row.validated_at };
  }

  /** @returns false if the repository, or what the list is about, is not here */
  put(listing: { repository: string; key: string; about?: Digest; body: Uint8Array; atMs: number }): boolean {
    const { repository, key, about, body, atMs } = listing;
    return this.#connection.write(() => {
      // A repository has a row only while it holds something.
      const repositoryId = this.#ids.repository(repository);
      if (repositoryId === undefined) return false;
      const contentId = about && this.#ids.content(about);
      const isHeld =
        contentId !== undefined && this.#statements.isLinked.get({ repositoryId, contentId }) !== undefined;
      if (about && !isHeld) return false;
      this.#statements.put.run(repositoryId, key, contentId ?? null, body, atMs);
      return true;
    });
  }
}
