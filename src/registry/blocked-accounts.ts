import type { MetadataIndex } from '../metadata/metadata-index.ts';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import type { Upstreams } from './upstreams.ts';

export interface BlockedAccountsOptions {
  readonly index: Pick<MetadataIndex, 'readNote' | 'writeNote'>;
  readonly upstreams: Pick<Upstreams, 'all'>;
  readonly telemetry: Pick<Telemetry, 'log'>;
}

/** An account that is left alone after a 429. */
interface Block {
  readonly upstream: string;
  /** Among the accounts of the upstream. */
  readonly position: number;
  /** Absent: anonymous. */
  readonly username?: string | undefined;
  /** From when on, and for how long: a clock that is set meanwhile makes it no longer. */
  readonly atMs: number;
  readonly forMs: number;
}

const NOTE = 'upstreams.blocked';
const LOOK_MS = 1_000;
/** The same end, computed twice. */
const ROUNDING_MS = 1_000;

/** Remembers over restarts for how long upstreams want to be left alone: a restart is no reason to ask them earlier. */
export class BlockedAccounts implements AsyncDisposable {
  readonly #options: BlockedAccountsOptions;
  /** When the last block ends that was noted, by account. */
  readonly #noted = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: BlockedAccountsOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier run was told. To be called before anything is asked. */
  async restore(): Promise<void> {
    const { index, upstreams } = this.#options;
    const note = await index.readNote(NOTE);
    const nowMs = Date.now();
    const blocks = blocksOf(note).filter((block) => block.atMs <= nowMs && nowMs < endOf(block));
    for (const { upstream } of upstreams.all) {
      const own = blocks.filter((block) => block.upstream === upstream.name);
      upstream.leaveAlone(
        own.map((block) => ({
          position: block.position,
          username: block.username,
          blockedForMs: endOf(block) - nowMs,
        })),
      );
    }
  }

  /** Looks at them from now on. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.#look());
    }, LOOK_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    if (this.#timer) await this.#look();
  }

  /** That a block has ended shows by its time: only new ones are written. */
  async #look(): Promise<void> {
    const { index, telemetry } = this.#options;
    const blocks = this.#blocks();
    if (blocks.every((block) => endOf(block) <= (this.#noted.get(keyOf(block)) ?? 0) + ROUNDING_MS)) return;
    try {
      await index.writeNote(NOTE, JSON.stringify(blocks));
      for (const block of blocks) this.#noted.set(keyOf(block), endOf(block));
    } catch (error) {
      telemetry.log.error(describeError(error), 'blocked accounts not noted');
    }
  }

  #blocks(): Block[] {
    const atMs = Date.now();
    return this.#options.upstreams.all.flatMap(({ upstream }) =>
      upstream
        .report()
        .accounts.map(({ username, blockedForMs: forMs }, position) => ({
          upstream: upstream.name,
          position,
          username,
          atMs,
          forMs,
        }))
        .filter(({ forMs }) => forMs > 0),
    );
  }
}

/** What is in the note; nothing of one that is damaged. */
function blocksOf(note: string | undefined): readonly Block[] {
  if (note === undefined) return [];
  try {
    const entries: unknown = JSON.parse(note);
    return Array.isArray(entries) ? entries.filter(isBlock) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function isBlock(entry: unknown): entry is Block {
  const { upstream, position, username, atMs, forMs } = (entry ?? {}) as Record<string, unknown>;
  const isNamed = username === undefined || typeof username === 'string';
  return typeof upstream === 'string' && isNamed && [position, atMs, forMs].every(Number.isFinite);
}

function endOf({ atMs, forMs }: Block): number {
  return atMs + forMs;
}

function keyOf({ upstream, position }: Block): string {
  return `${upstream} ${position}`;
}
