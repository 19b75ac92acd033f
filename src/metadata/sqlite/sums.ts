import { statSync } from 'node:fs';
import type { RepositorySummary, Usage } from '../metadata-index.ts';
import type { Connection } from './connection.ts';

const BLOCK_BYTES = 4096;
/** The index's files are looked at no more often: they change little, and the disk may be slow. */
const STAT_EVERY_MS = 1_000;

/** What the store takes up, from sums that triggers keep. */
export class Sums {
  readonly #connection: Connection;
  readonly #statements;
  #index = { bytes: 0, untilMs: 0 };

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      total: connection.prepare<[], { blobs: number; blocks: number }>('SELECT blobs, blocks FROM total'),
      registries: connection.prepare<[], { name: string; blocks: number }>(
        'SELECT name, blocks FROM registry WHERE blocks > 0 AND id <> 0',
      ),
      summaries: connection.prepare<
        { prefix: string; after: string; limit: number },
        Omit<RepositorySummary, 'usedAtMs'> & { usedAtMs: number | null }
      >(`
        SELECT name AS repository, tags, roots, size_bytes AS sizeBytes, used_at AS usedAtMs FROM repository
        WHERE name > :after AND name >= :prefix AND substr(name, 1, length(:prefix)) = :prefix AND id <> 0
        ORDER BY name LIMIT :limit`),
    };
  }

  usage(): Usage {
    return this.#connection.run(() => {
      const total = this.#statements.total.get();
      const registries = this.#statements.registries.all();
      return {
        blobs: total?.blobs ?? 0,
        diskBytes: (total?.blocks ?? 0) * BLOCK_BYTES,
        diskBytesByRegistry: new Map(registries.map(({ name, blocks }) => [name, blocks * BLOCK_BYTES])),
        indexBytes: this.#indexBytes(),
      };
    });
  }

  summarize(page: { prefix?: string; after?: string; limit: number }): RepositorySummary[] {
    const { prefix = '', after = '', limit } = page;
    const rows = this.#connection.run(() => this.#statements.summaries.all({ prefix, after, limit }));
    return rows.map(({ usedAtMs, ...row }) => Object.assign(row, { usedAtMs: usedAtMs ?? undefined }));
  }

  #indexBytes(): number {
    const nowMs = performance.now();
    if (nowMs >= this.#index.untilMs) {
      const { file } = this.#connection;
      const sizes = ['', '-wal', '-shm'].map((end) => statSync(file + end, { throwIfNoEntry: false })?.size ?? 0);
      this.#index = { bytes: sizes.reduce((sum, size) => sum + size), untilMs: nowMs + STAT_EVERY_MS };
    }
    return this.#index.bytes;
  }
}
