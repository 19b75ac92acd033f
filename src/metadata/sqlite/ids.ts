import type { Digest } from '../../oci/digest.ts';
import type { Connection } from './connection.ts';

/** The repository that has what was stored for none. */
export const NO_REPOSITORY = 0;

/** Small numbers for names and digests. */
export class Ids {
  readonly #statements;

  constructor(connection: Connection) {
    this.#statements = {
      repository: connection.pluck<[name: string], number>('SELECT id FROM repository WHERE name = ?'),
      addRegistry: connection.prepare<[name: string]>('INSERT INTO registry (name) VALUES (?) ON CONFLICT DO NOTHING'),
      addRepository: connection.prepare<[name: string, registry: string]>(
        'INSERT INTO repository (name, registry_id) SELECT ?, id FROM registry WHERE name = ?',
      ),
      content: connection.pluck<[digest: string], number>('SELECT id FROM content WHERE digest = ?'),
      addContent: connection.prepare<[digest: string]>('INSERT INTO content (digest) VALUES (?)'),
      digest: connection.pluck<[id: number], Digest>('SELECT digest FROM content WHERE id = ?'),
    };
  }

  repository(name: string): number | undefined {
    return this.#statements.repository.get(name);
  }

  /** Makes a row for it if there is none. */
  ensureRepository(name: string): number {
    const known = this.repository(name);
    if (known !== undefined) return known;
    const registry = registryOf(name);
    this.#statements.addRegistry.run(registry);
    return Number(this.#statements.addRepository.run(name, registry).lastInsertRowid);
  }

  content(digest: string): number | undefined {
    return this.#statements.content.get(digest);
  }

  /** Makes a row for it if there is none. */
  ensureContent(digest: Digest): number {
    return this.content(digest) ?? Number(this.#statements.addContent.run(digest).lastInsertRowid);
  }

  digest(contentId: number): Digest | undefined {
    return this.#statements.digest.get(contentId);
  }
}

/** `docker.io/library/nginx` is of `docker.io`. */
export function registryOf(repository: string): string {
  return repository.split('/', 1)[0] ?? '';
}
