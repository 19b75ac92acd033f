import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import type { Root } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Graph, Measure, Node } from './graph.ts';
import { registryOf, type Ids } from './ids.ts';
import { latestRoot, measureRoot, rootsAbove, type UsedNode } from './last-use.ts';
import type { Roots } from './roots.ts';
import type { Tags } from './tags.ts';
import type { Uses } from './uses.ts';

/** Roots found before others have their turn: some 4 ms. */
const BATCH = 100;

interface RootListsOptions {
  readonly ids: Ids;
  readonly graph: Graph;
  readonly roots: Roots;
  readonly tags: Tags;
  readonly uses: Uses;
}

interface RootsQuery {
  readonly repository?: string;
  readonly registry?: string;
  readonly after?: { readonly repository: string; readonly digest: string };
  readonly limit: number;
}

/** Roots in the order of their names, and what they consist of. */
export class RootLists {
  readonly #connection: Connection;
  readonly #options: RootListsOptions;
  readonly #statements;

  constructor(connection: Connection, options: RootListsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      names: connection.prepare<Node, { repository: string; digest: Digest; isManifest: number }>(`
        SELECT r.name AS repository, c.digest, rc.media_type IS NOT NULL AS isManifest
        FROM repository_content rc CROSS JOIN repository r CROSS JOIN content c
        WHERE rc.repository_id = :repositoryId AND rc.content_id = :contentId AND r.id = rc.repository_id
          AND c.id = rc.content_id`),
      repositoriesFrom: connection.prepare<
        { first: string; registry: string | null; limit: number },
        { id: number; name: string }
      >(`
        SELECT r.id, r.name FROM repository r JOIN registry g ON g.id = r.registry_id
        WHERE r.name >= :first AND r.roots > 0 AND iif(:registry IS NULL, r.id <> 0, g.name = :registry)
        ORDER BY r.name LIMIT :limit`),
      after: connection.prepare<{ repositoryId: number; after: string; limit: number }, UsedNode>(`
        SELECT repository_id AS repositoryId, content_id AS contentId, used_at AS usedAt
        FROM root INDEXED BY root_by_digest
        WHERE repository_id = :repositoryId AND digest > :after ORDER BY digest LIMIT :limit`),
    };
  }

  async list(query: RootsQuery): Promise<Root[]> {
    const { graph, roots, uses } = this.#options;
    await uses.flush();
    const found: Root[] = [];
    for (let after = query.after; ; after = found.at(-1)) {
      const limit = Math.min(BATCH, query.limit - found.length);
      const batch = this.#connection.run(() =>
        this.#find({ ...query, limit, ...(after && { after }) }).map((root) =>
          this.describe(root, measureRoot(graph, roots, root)),
        ),
      );
      found.push(...batch);
      if (batch.length < BATCH) return found;
      await nextTurn();
    }
  }

  /** Stored content of it and its parts, whether it is a root or not. */
  contentOf(root: { repository: string; digest: Digest }): { digest: Digest; sizeBytes: number }[] {
    const { ids, graph } = this.#options;
    return this.#connection.run(() => {
      const [repositoryId, contentId] = [ids.repository(root.repository), ids.content(root.digest)];
      return repositoryId === undefined || contentId === undefined ? [] : graph.stored({ repositoryId, contentId });
    });
  }

  /** All there is to know of it. */
  describe(root: Node, { sizeBytes, diskBytes, usedAt }: Measure): Root {
    const names = this.#statements.names.get(root);
    return {
      repository: names?.repository ?? '',
      digest: names?.digest ?? ('' as Digest),
      tags: this.#options.tags.of(root),
      isManifest: names?.isManifest === 1,
      usedAtMs: usedAt,
      sizeBytes,
      diskBytes,
    };
  }

  async latestRootOf(repository: string, digest: Digest): Promise<Digest | undefined> {
    const { ids, graph, roots, uses } = this.#options;
    await uses.flush();
    return this.#connection.run(() => {
      const [repositoryId, contentId] = [ids.repository(repository), ids.content(digest)];
      if (repositoryId === undefined || contentId === undefined) return undefined;
      const root = latestRoot(graph, roots, { repositoryId, contentId });
      return root === undefined ? undefined : this.#statements.names.get({ repositoryId, contentId: root })?.digest;
    });
  }

  rootsAbove(repository: string, digest: Digest, limit: number): Digest[] {
    const { ids, graph, roots } = this.#options;
    return this.#connection.run(() => {
      const [repositoryId, contentId] = [ids.repository(repository), ids.content(digest)];
      if (repositoryId === undefined || contentId === undefined) return [];
      const found = [...rootsAbove(graph, roots, { repositoryId, contentId }).take(limit)];
      return found.flatMap((root) => ids.digest(root.contentId) ?? []);
    });
  }

  #find(query: RootsQuery): UsedNode[] {
    const { after, limit } = query;
    const found: UsedNode[] = [];
    for (const { id, name } of this.#repositories(query)) {
      if (found.length >= limit) break;
      const afterDigest = name === after?.repository ? after.digest : '';
      found.push(...this.#statements.after.all({ repositoryId: id, after: afterDigest, limit: limit - found.length }));
    }
    return found;
  }

  /** Those that the query is about, in byte order; every one has a root, so no more than it has to give, and one. */
  #repositories({ repository, registry, after, limit }: RootsQuery): { id: number; name: string }[] {
    const first = after?.repository ?? '';
    if (repository === undefined) {
      return this.#statements.repositoriesFrom.all({ first, registry: registry ?? null, limit: limit + 1 });
    }
    const id = this.#options.ids.repository(repository);
    const isMeant = repository >= first && (registry === undefined || registryOf(repository) === registry);
    return id === undefined || !isMeant ? [] : [{ id, name: repository }];
  }
}
