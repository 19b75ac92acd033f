import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import { sleep } from '../../util/sleep.ts';
import type { Healing } from './healing.ts';
import type { LostContent } from './lost-content.ts';

export interface ScrubOptions {
  readonly index: Pick<MetadataIndex, 'listBlobs' | 'readNote' | 'writeNote'>;
  readonly lost: LostContent;
  readonly healing: Healing;
  readonly telemetry: Telemetry;
  /** A round begins so long after the one before began; Infinity: only when asked for. */
  readonly everyMs: number;
  readonly bytesPerSecond: number;
}

/** How the background scrub is doing. */
export interface ScrubState {
  readonly isRunning: boolean;
  /** When the last full round ended. */
  readonly completedAtMs: number | undefined;
}

/** After so many, or so many bytes, the place is noted: a restart goes on there. */
const BATCH = 50;
const BATCH_BYTES = 1024 ** 3;
/** How often the clock is looked at between two rounds, since timers cannot wait for weeks, and sources that failed. */
const LOOK_MS = 60_000;
/** A disk that fails is asked again after this. */
const TROUBLE_MS = 60_000;
const CURSOR = 'scrub.cursor';
const STARTED = 'scrub.started';
const COMPLETED = 'scrub.completed';

/** Re-hashes the whole store in the background, again and again, at a bounded rate; what is bad is fetched anew. */
export class Scrub implements AsyncDisposable {
  readonly #options: ScrubOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #isRound = false;
  #wake = new AbortController();
  #healAtMs = 0;

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  /** Begins to wait for the next round, or goes on with the one that a restart interrupted. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Begins a round now, unless one is under way. */
  async startNow(): Promise<ScrubState> {
    if (!this.#isRound) {
      await this.#options.index.writeNote(STARTED, undefined);
      this.#isRound = true;
      this.#wake.abort();
    }
    return this.state();
  }

  async state(): Promise<ScrubState> {
    const completed = await this.#options.index.readNote(COMPLETED);
    return { isRunning: this.#isRound, completedAtMs: completed === undefined ? undefined : Number(completed) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (await this.#isDue()) await this.#round();
        else await this.#wait(LOOK_MS);
        await this.#healOwed();
      } catch (error) {
        if (signal.aborted) return;
        this.#options.telemetry.log.error(describeError(error), 'scrub failed');
        await this.#wait(TROUBLE_MS);
      }
    }
  }

  async #wait(ms: number): Promise<void> {
    this.#wake = new AbortController();
    await sleep(ms, AbortSignal.any([this.#wake.signal, this.#stop.signal]));
  }

  async #healOwed(): Promise<void> {
    if (performance.now() < this.#healAtMs) return;
    await this.#options.healing.healOwed(this.#stop.signal);
    this.#healAtMs = performance.now() + LOOK_MS;
  }

  async #isDue(): Promise<boolean> {
    const { index, everyMs } = this.#options;
    if (this.#isRound || (await index.readNote(CURSOR)) !== undefined) return true;
    if (everyMs === Infinity) return false;
    const started = await index.readNote(STARTED);
    // A new store has nothing worth looking at yet: the first round comes after the usual time.
    if (started === undefined) await index.writeNote(STARTED, String(Date.now()));
    return started !== undefined && Date.now() - Number(started) >= everyMs;
  }

  async #round(): Promise<void> {
    const { index, telemetry } = this.#options;
    const { signal } = this.#stop;
    this.#isRound = true;
    const place = await index.readNote(CURSOR);
    let after = place ?? '';
    if (place === undefined) {
      await index.writeNote(STARTED, String(Date.now()));
      await index.writeNote(CURSOR, after);
    }
    telemetry.log.info({ after }, 'scrub begins');
    let bytes = 0;
    for (;;) {
      const batch = await index.listBlobs(after, BATCH);
      for (const { digest, sizeBytes } of batch) {
        await this.#examine(digest, sizeBytes);
        if (signal.aborted) return index.writeNote(CURSOR, after);
        after = digest;
        bytes += sizeBytes;
        if (bytes >= BATCH_BYTES) break;
      }
      if (batch.length === 0) break;
      bytes = 0;
      await index.writeNote(CURSOR, after);
      await this.#healOwed();
      await nextTurn();
    }
    await index.writeNote(CURSOR, undefined);
    await index.writeNote(COMPLETED, String(Date.now()));
    this.#isRound = false;
    telemetry.log.info('scrub ended');
  }

  async #examine(digest: Parameters<LostContent['examine']>[0], sizeBytes: number): Promise<void> {
    const { lost, healing, telemetry, bytesPerSecond } = this.#options;
    const { signal } = this.#stop;
    try {
      const finding = await lost.examine(digest, 'scrub', { bytesPerSecond, signal });
      telemetry.contentScrubbed(sizeBytes);
      if (finding === 'damaged' || finding === 'missing') await healing.heal(digest);
    } catch (error) {
      // One file that cannot be put aside must not keep all others from being looked at.
      if (!signal.aborted) telemetry.log.error({ digest, ...describeError(error) }, 'scrub could not look at a file');
    }
  }
}
