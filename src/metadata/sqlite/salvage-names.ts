import { parseDigest, type Digest } from '../../oci/digest.ts';
import { isRepositoryPath } from '../../oci/repository.ts';
import type { DamagedDatabase } from './damaged-database.ts';

/** Names and digests by their numbers. Their indexes hold them a second time. */
export class Names {
  readonly #database: DamagedDatabase;
  readonly #repositories: ReadonlyMap<number, string>;
  readonly #findDigest: (id: number) => unknown;
  #otherDigests: ReadonlyMap<number, Digest> | undefined;
  /** Rows that had to be passed over. */
  lost = 0;

  constructor(database: DamagedDatabase) {
    this.#database = database;
    this.#repositories = new Map([
      ...readNames(
        database,
        'repository',
        'SELECT id, name FROM repository INDEXED BY sqlite_autoindex_repository_1',
        'name',
      ),
      ...readNames(database, 'repository', 'SELECT id, name FROM repository NOT INDEXED', 'id'),
    ]);
    this.#findDigest = database.lookup('SELECT digest FROM content WHERE id = ?');
  }

  of(row: { repository_id: unknown; content_id: unknown }): { repository: string; digest: Digest } | undefined {
    const repository = this.#repositories.get(Number(row.repository_id));
    const digest = this.#digest(Number(row.content_id));
    if (repository !== undefined && digest !== undefined) return { repository, digest };
    this.lost += 1;
    return undefined;
  }

  #digest(id: number): Digest | undefined {
    const found = parseDigest(String(this.#findDigest(id)));
    if (found) return found;
    this.#otherDigests ??= new Map(this.#indexedDigests());
    return this.#otherDigests.get(id);
  }

  *#indexedDigests(): Generator<[number, Digest]> {
    const query = 'SELECT id, digest FROM content INDEXED BY sqlite_autoindex_content_1';
    for (const { id, digest } of this.#database.rows<{ id: unknown; digest: unknown }>('content', query, ['digest'])) {
      const parsed = parseDigest(String(digest));
      if (parsed) yield [Number(id), parsed];
    }
  }
}

function* readNames(
  database: DamagedDatabase,
  what: string,
  query: string,
  key: 'id' | 'name',
): Generator<[number, string]> {
  for (const { id, name } of database.rows<{ id: unknown; name: unknown }>(what, query, [key])) {
    const text = String(name);
    const slash = text.indexOf('/');
    if (slash > 0 && isRepositoryPath(text.slice(slash + 1))) yield [Number(id), text];
  }
}
