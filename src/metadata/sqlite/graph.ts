import type { Digest } from '../../oci/digest.ts';
import type { Connection } from './connection.ts';

/** Content of one repository, by the numbers of both. */
export interface Node {
  readonly repositoryId: number;
  readonly contentId: number;
}

/** Sizes are of what is stored. */
export interface Measure {
  readonly sizeBytes: number;
  readonly diskBytes: number;
  readonly usedAt: number;
}

/** Greater than any id. */
const NO_ID = Number.MAX_SAFE_INTEGER;

/** The node and what is below it, as far as it is linked to the repository. */
const PARTS = `
  WITH RECURSIVE part(id, used_at) AS (
    SELECT content_id, used_at FROM repository_content
    WHERE repository_id = :repositoryId AND content_id = :contentId
    UNION
    SELECT rc.content_id, rc.used_at FROM part CROSS JOIN reference f CROSS JOIN repository_content rc
    WHERE f.repository_id = :repositoryId AND f.manifest_id = part.id AND f.role <> 'subject'
      AND rc.repository_id = :repositoryId AND rc.content_id = f.content_id
    UNION
    SELECT rc.content_id, rc.used_at
    FROM part CROSS JOIN reference f INDEXED BY reference_by_subject CROSS JOIN repository_content rc
    WHERE f.content_id = part.id AND f.repository_id = :repositoryId AND f.role = 'subject'
      AND rc.repository_id = :repositoryId AND rc.content_id = f.manifest_id
  )`;

/**
 * What is part of what in a repository: a manifest is above what it lists, and above the manifests whose subject it is.
 * Upwards it goes step by step, since a shared layer may have a hundred thousand manifests above it.
 */
export class Graph {
  readonly #statements;

  constructor(connection: Connection) {
    this.#statements = {
      listerBefore: connection.pluck<Node & { before: number }, number>(`
        SELECT manifest_id FROM reference INDEXED BY reference_by_content
        WHERE content_id = :contentId AND repository_id = :repositoryId AND manifest_id < :before AND role <> 'subject'
        ORDER BY manifest_id DESC LIMIT 1`),
      wrappers: connection.pluck<Node, number>(`
        SELECT DISTINCT manifest_id FROM reference INDEXED BY reference_by_content
        WHERE content_id = :contentId AND repository_id = :repositoryId AND role IN ('config', 'layer')`),
      linkedSubjects: connection.pluck<Node, number>(`
        SELECT f.content_id FROM reference f CROSS JOIN repository_content rc
        WHERE f.repository_id = :repositoryId AND f.manifest_id = :contentId AND f.role = 'subject'
          AND rc.repository_id = f.repository_id AND rc.content_id = f.content_id`),
      referrers: connection.pluck<Node, number>(`
        SELECT manifest_id FROM reference INDEXED BY reference_by_subject
        WHERE content_id = :contentId AND repository_id = :repositoryId AND role = 'subject'`),
      listed: connection.pluck<Node, number>(`
        SELECT DISTINCT content_id FROM reference
        WHERE repository_id = :repositoryId AND manifest_id = :contentId AND role <> 'subject'`),
      partsUsedSince: connection.prepare<Node & { usedAt: number }, { id: number; usedAt: number }>(`
        ${PARTS}
        SELECT id, used_at AS usedAt FROM part WHERE used_at > :usedAt AND id <> :contentId ORDER BY used_at DESC`),
      stored: connection.prepare<Node, { digest: Digest; size_bytes: number }>(`
        ${PARTS}
        SELECT c.digest, b.size_bytes FROM part CROSS JOIN blob b CROSS JOIN content c
        WHERE b.content_id = part.id AND c.id = part.id ORDER BY c.digest`),
      manifestsUsedAt: connection.pluck<Node, number | null>(`
        WITH RECURSIVE part(id, used_at) AS (
          SELECT content_id, used_at FROM repository_content
          WHERE repository_id = :repositoryId AND content_id = :contentId
          UNION
          SELECT rc.content_id, rc.used_at FROM part CROSS JOIN reference f CROSS JOIN repository_content rc
          WHERE f.repository_id = :repositoryId AND f.manifest_id = part.id AND f.role = 'manifest'
            AND rc.repository_id = :repositoryId AND rc.content_id = f.content_id
        )
        SELECT max(used_at) FROM part`),
      measure: connection.prepare<Node, Measure>(`
        ${PARTS}
        SELECT coalesce(sum(b.size_bytes), 0) AS sizeBytes,
          coalesce(sum((b.size_bytes + 4095) / 4096 * 4096), 0) AS diskBytes, coalesce(max(part.used_at), 0) AS usedAt
        FROM part LEFT JOIN blob b ON b.content_id = part.id`),
    };
  }

  /**
   * What lists it or is its subject and, further up, what has those: nearest branch first, each once, not itself.
   * @param way.without as if that were not there
   */
  *above({ repositoryId, contentId }: Node, { without = contentId }: { without?: number } = {}): Generator<number> {
    const seen = new Set([contentId, without]);
    const branches = [this.#parents(repositoryId, contentId)];
    for (let branch = branches.at(-1); branch; branch = branches.at(-1)) {
      const { done, value: id } = branch.next();
      if (done) branches.pop();
      else if (!seen.has(id)) {
        seen.add(id);
        yield id;
        branches.push(this.#parents(repositoryId, id));
      }
    }
  }

  /** Does a manifest of the repository list it? */
  isListed(node: Node): boolean {
    return this.#statements.listerBefore.get({ ...node, before: NO_ID }) !== undefined;
  }

  /** Manifests of the repository that list it as their config or a layer. */
  wrappers(node: Node): number[] {
    return this.#statements.wrappers.all(node);
  }

  /** Manifests of the repository whose subject it is. */
  referrers(node: Node): number[] {
    return this.#statements.referrers.all(node);
  }

  /** What it lists, linked or not. */
  listed(node: Node): number[] {
    return this.#statements.listed.all(node);
  }

  /** Linked parts, without itself, that were used later than that, the last used first. */
  partsUsedSince(node: Node, usedAt: number): { id: number; usedAt: number }[] {
    return this.#statements.partsUsedSince.all({ ...node, usedAt });
  }

  /** Stored content of it and its linked parts, in byte order. */
  stored(node: Node): { digest: Digest; sizeBytes: number }[] {
    const rows = this.#statements.stored.all(node);
    return rows.map((row) => ({ digest: row.digest, sizeBytes: row.size_bytes }));
  }

  /** When the manifest, or one that it lists, was last used; undefined: never. */
  manifestsUsedAt(node: Node): number | undefined {
    return this.#statements.manifestsUsedAt.get(node) ?? undefined;
  }

  /** How large it is with its linked parts, and when one of them was last used, whatever else that is part of. */
  measure(node: Node): Measure {
    return this.#statements.measure.get(node) ?? { sizeBytes: 0, diskBytes: 0, usedAt: 0 };
  }

  /** Newest manifests first: they are the likeliest to have been used lately. */
  *#parents(repositoryId: number, contentId: number): Generator<number, undefined> {
    let before: number | undefined = NO_ID;
    for (;;) {
      before = this.#statements.listerBefore.get({ repositoryId, contentId, before });
      if (before === undefined) break;
      yield before;
    }
    yield* this.#statements.linkedSubjects.all({ repositoryId, contentId });
    return undefined;
  }
}
