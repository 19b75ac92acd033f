import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Use } from '../metadata-index.ts';
import type { Connection } from './connection.ts';
import type { Node } from './graph.ts';
import type { Roots } from './roots.ts';

/** Uses are gathered this long: one transaction then serves hundreds of pulls. */
const FLUSH_MS = 5_000;
/** More than this many noted uses are written before the time is up. */
const LIMIT = 10_000;
/** Written at once: some 5 ms. */
const BATCH = 500;

interface UsesOptions {
  readonly roots: Roots;
  /** Told of what goes wrong with a flush that nobody asked for. */
  readonly onFlushError: (error: unknown) => void;
}

/** Last uses, gathered in memory and written together. */
export class Uses {
  readonly #connection: Connection;
  readonly #options: UsesOptions;
  readonly #noted = new Map<string, Use>();
  #timer: NodeJS.Timeout | undefined;
  readonly #statements;

  constructor(connection: Connection, options: UsesOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#statements = {
      link: connection.prepare<[repository: string, digest: string], Node>(`
        SELECT rc.repository_id AS repositoryId, rc.content_id AS contentId
        FROM repository r CROSS JOIN content c CROSS JOIN repository_content rc
        WHERE r.name = ? AND c.digest = ? AND rc.repository_id = r.id AND rc.content_id = c.id`),
      touch: connection.prepare<Node & { at: number }>(`
        UPDATE repository_content SET used_at = :at
        WHERE repository_id = :repositoryId AND content_id = :contentId AND coalesce(used_at, 0) < :at`),
    };
  }

  /** From now on it flushes by itself. */
  start(): void {
    this.#timer = setInterval(() => this.#flushSoon(), FLUSH_MS).unref();
  }

  note(use: Use): void {
    const key = `${use.repository}@${use.digest}`;
    // A clock that was set back must not make something look older than it is.
    if ((this.#noted.get(key)?.atMs ?? 0) <= use.atMs) this.#noted.set(key, use);
    if (this.#noted.size >= LIMIT) this.#flushSoon();
  }

  /** Writes what was noted, batch by batch, so that others have their turn between. */
  async flush(): Promise<void> {
    while (this.#noted.size > 0) {
      this.#writeBatch();
      if (this.#noted.size > 0) await nextTurn();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #writeBatch(): void {
    const uses = [...this.#noted.entries().take(BATCH)];
    for (const [key] of uses) this.#noted.delete(key);
    this.#connection.writeLazily(() => {
      for (const [, { repository, digest, atMs: at }] of uses) {
        const node = this.#statements.link.get(repository, digest);
        if (!node) continue;
        this.#statements.touch.run({ ...node, at });
        this.#options.roots.touch(node, at);
      }
    });
  }

  #flushSoon(): void {
    this.flush().catch(this.#options.onFlushError);
  }
}
