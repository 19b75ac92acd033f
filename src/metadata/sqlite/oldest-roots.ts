import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Root } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Graph } from './graph.ts';
import { measureRoot, type UsedNode } from './last-use.ts';
import type { RootLists } from './root-lists.ts';
import type { Roots } from './roots.ts';
import type { Uses } from './uses.ts';

/** Roots moved to their place, or set aside, at once: a few ms. */
const BATCH = 200;
/** Before every root: the clock may have been anywhere. */
const START: UsedNode = { usedAt: Number.MIN_SAFE_INTEGER, repositoryId: 0, contentId: 0 };

interface OldestRootsOptions {
  readonly graph: Graph;
  readonly roots: Roots;
  readonly lists: RootLists;
  readonly uses: Uses;
}

type Named = { readonly repository: string; readonly digest: string };

/**
 * Roots in the order of their last use. A use of a part is found when its root's turn comes: the root then moves to where
 * it belongs, and the next one has its turn.
 */
export class OldestRoots {
  readonly #connection: Connection;
  readonly #options: OldestRootsOptions;
  readonly #statements;

  constructor(connection: Connection, options: OldestRootsOptions) {
    this.#connection = connection;
    this.#options = options;
    const next = (where: string) => `
      SELECT repository_id AS repositoryId, content_id AS contentId, used_at AS usedAt FROM root
      WHERE is_set_aside = 0 ${where}
        AND (used_at, repository_id, content_id) > (:usedAt, :repositoryId, :contentId)
      ORDER BY used_at, repository_id, content_id LIMIT 1`;
    this.#statements = {
      next: connection.prepare<UsedNode, UsedNode>(next('')),
      nextOf: connection.prepare<UsedNode & { registryId: number }, UsedNode>(next('AND registry_id = :registryId')),
      registryId: connection.pluck<[name: string], number>('SELECT id FROM registry WHERE name = ?'),
      setAside: connection.prepare<Named>(`
        UPDATE root SET is_set_aside = 1
        WHERE repository_id = (SELECT id FROM repository WHERE name = :repository)
          AND content_id = (SELECT id FROM content WHERE digest = :digest) AND is_set_aside = 0`),
      clearSetAside: connection.prepare<[limit: number]>(`
        UPDATE root SET is_set_aside = 0 WHERE (repository_id, content_id) IN (
          SELECT repository_id, content_id FROM root WHERE is_set_aside = 1 LIMIT ?)`),
    };
  }

  async find(query: { registry?: string; limit: number }): Promise<Root[]> {
    const { uses } = this.#options;
    for (;;) {
      await uses.flush();
      const found = this.#connection.writeLazily(() => this.#walk(query));
      if (found) return found;
      await nextTurn();
    }
  }

  async setAside(roots: readonly Named[]): Promise<void> {
    for (let from = 0; from < roots.length; from += BATCH) {
      if (from > 0) await nextTurn();
      this.#connection.writeLazily(() => {
        for (const { repository, digest } of roots.slice(from, from + BATCH)) {
          this.#statements.setAside.run({ repository, digest });
        }
      });
    }
  }

  async clearSetAside(): Promise<void> {
    while (this.#connection.writeLazily(() => this.#statements.clearSetAside.run(BATCH).changes) === BATCH) {
      await nextTurn();
    }
  }

  /** Undefined when others should have their turn first: what was moved stays moved. */
  #walk({ registry, limit }: { registry?: string; limit: number }): Root[] | undefined {
    const { graph, roots, lists } = this.#options;
    const registryId = registry === undefined ? undefined : (this.#statements.registryId.get(registry) ?? -1);
    const found: Root[] = [];
    let last = START;
    let moved = 0;
    while (found.length < limit) {
      const root =
        registryId === undefined
          ? this.#statements.next.get(last)
          : this.#statements.nextOf.get({ ...last, registryId });
      if (!root) break;
      const measured = measureRoot(graph, roots, root);
      if (measured.usedAt === root.usedAt) {
        found.push(lists.describe(root, measured));
        last = root;
        continue;
      }
      if (moved === BATCH) return undefined;
      roots.touch(root, measured.usedAt);
      moved += 1;
    }
    return found;
  }
}
