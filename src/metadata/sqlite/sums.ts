import { statSync } from 'node:fs';
import type { RepositorySummary, Usage } from '../metadata-index.ts';
import type { Connection } from './connection.ts';

const BLOCK_BYTES = 4096;
/** SQLite looks at the log's size after a transaction: it passes its bound by the largest one (45 KiB of 128 seen). */
const LOG_OVERSHOOT = 0.5;

/** What the store takes up, from sums that triggers keep. */
export class Sums {
  readonly #connection: Connection;
  readonly #statements;

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
        ...this.#indexBytes(),
      };
    });
  }

  summarize(page: { prefix?: string; after?: string; limit: number }): RepositorySummary[] {
    const { prefix = '', after = '', limit } = page;
    const rows = this.#connection.run(() => this.#statements.summaries.all({ prefix, after, limit }));
    return rows.map(({ usedAtMs, ...row }) => Object.assign(row, { usedAtMs: usedAtMs ?? undefined }));
  }

  /** Looked at each time: the log grows by megabytes a second. It counts as large as it may become. */
  #indexBytes(): { indexBytes: number; indexUnwrittenBytes: number } {
    const { file, logBytes } = this.#connection;
    const sizeOf = (end: string) => statSync(file + end, { throwIfNoEntry: false })?.size ?? 0;
    const unwritten = Math.max(0, Math.ceil(logBytes * (1 + LOG_OVERSHOOT)) - sizeOf('-wal'));
    const written = sizeOf('') + sizeOf('-wal') + sizeOf('-shm');
    return { indexBytes: written + unwritten, indexUnwrittenBytes: unwritten };
  }
}
