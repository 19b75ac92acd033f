/* oxlint-disable unicorn/no-useless-spread */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DoomedContent, ManifestRecord, Root, Use } from '../../../../src/metadata/metadata-index.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { diskUsage } from '../../../e2e/support/disk-usage.ts';
import { crashCopy } from './crash-copy.ts';
import { EvictionJudge } from './eviction-judge.ts';
import { Mirror, type MirrorOptions, type Setup } from './mirror.ts';
import { afterwards } from './observed.ts';
import { Pinned } from './pinned.ts';
import { nameOf } from './universe.ts';
import { UseBounds } from './use-bounds.ts';

export interface LifeOptions {
  /** A folder of its own; each crash goes on in another folder in it. */
  readonly folder: string;
  readonly originUrl: string;
  readonly setup: Setup;
}

/** Calls that change something: between any two steps of these a crash may come. */
const CHANGING = new Set([
  ...[
    'putManifest',
    'putTag',
    'dropTag',
    'putBlob',
    'linkBlob',
    'removeBlobs',
    'dropRoots',
    'settleDoomed',
    'setAside',
  ],
  ...['put', 'remove', 'ingest', 'quarantine', 'discardInterrupted', 'removeDebris'],
  ...['write', 'commit', 'discard', 'Symbol(Symbol.asyncDispose)'],
]);
const IDLE_MS = 20_000;
const SAMPLE_MS = 5;
const STEPS_MS = 100;

/** A mirror through its lives, watched at each step: what is found wrong is told by {@link takeViolations}. */
export class Life implements AsyncDisposable {
  readonly setup: Setup;
  readonly uses = new UseBounds();
  readonly pinned = new Pinned();
  /** Files that were damaged by hand, and may be damaged still. */
  readonly spoiled = new Set<string>();
  /** Content that was damaged by hand, and may be gone for that reason. */
  readonly lost = new Set<string>();
  /** Stored content that went because nothing needed it any more, since {@link takeRemoved}. */
  #removed = new Set<string>();
  /** What was stored when it was started last: sizes by digest. */
  rowsAtStart: ReadonlyMap<string, number> = new Map();
  readonly #options: LifeOptions;
  readonly #violations: string[] = [];
  readonly #sampler: NodeJS.Timeout;
  #opened: { path: string; mirror: Mirror; judge: EvictionJudge } | undefined;
  #lives = 0;
  #steps = 0;
  #crashAt = Infinity;
  #crashPath: string | undefined;
  #clockOffsetMs = 0;

  private constructor(options: LifeOptions) {
    this.#options = options;
    this.setup = options.setup;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  static async open(options: LifeOptions): Promise<Life> {
    const life = new Life(options);
    const path = join(options.folder, 'data');
    await mkdir(path, { recursive: true });
    await life.#open(path);
    return life;
  }

  get mirror(): Mirror {
    if (!this.#opened) throw new Error('the mirror is not open');
    return this.#opened.mirror;
  }

  get registry(): Registry {
    return this.mirror.registry;
  }

  /** Its data directory. */
  get path(): string {
    if (!this.#opened) throw new Error('the mirror is not open');
    return this.#opened.path;
  }

  violation(what: string): void {
    this.#violations.push(what);
  }

  /** What was found wrong since the last call. */
  takeViolations(): string[] {
    const { errors } = this.mirror;
    return [...this.#violations.splice(0), ...errors.splice(0).map((error) => `error: ${JSON.stringify(error)}`)];
  }

  takeRemoved(): Set<string> {
    const removed = this.#removed;
    this.#removed = new Set();
    return removed;
  }

  /** The upstreams are trusted again at once, as they would be some seconds later. */
  passTime(): void {
    this.#clockOffsetMs += 60_000;
  }

  /** Waits until nothing goes on any more. */
  async settle(): Promise<void> {
    const deadline = Date.now() + IDLE_MS;
    for (let idle = 0; idle < 3; ) {
      if (Date.now() > deadline) throw new Error(`busy for ${IDLE_MS} ms: ${await this.#busyWith()}`);
      await sleep(2);
      idle = (await this.mirror.isIdle()) ? idle + 1 : 0;
    }
  }

  /** Takes its word for what is pinned, while nobody changes that. */
  async learnPins(): Promise<void> {
    const pins = await this.mirror.index.listPins();
    this.pinned.reset(pins.map(({ pattern }) => pattern));
  }

  /** Waits until so many steps were made, or as long as that may take. */
  async steps(count: number): Promise<void> {
    const deadline = Date.now() + STEPS_MS;
    for (const until = this.#steps + count; this.#steps < until && Date.now() < deadline; ) await sleep(1);
  }

  /** Ends it properly and starts it again. */
  async restart(): Promise<void> {
    const { path } = this;
    await this.#close();
    await this.#open(path);
  }

  /** It will be killed so many steps from now. */
  crashIn(steps: number): void {
    this.#crashPath = join(this.#options.folder, `life-${this.#lives}`);
    this.#crashAt = this.#steps + steps;
  }

  /** Goes on as after the kill that was announced, which comes now if it has not come yet. */
  async afterCrash(): Promise<void> {
    const { path } = this;
    // A second copy over the first one would be of no moment that ever was.
    if (this.#crashAt !== Infinity) {
      this.#crashAt = this.#steps;
      this.#crashIfDue();
    }
    const crashed = this.#crashPath ?? path;
    await this.#close();
    await rm(path, { recursive: true });
    this.uses.crashed();
    await this.#open(crashed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sampler);
    await this.#close();
  }

  async #open(path: string): Promise<void> {
    this.#lives += 1;
    const options: MirrorOptions = {
      path,
      originUrl: this.#options.originUrl,
      setup: this.setup,
      now: () => performance.now() + this.#clockOffsetMs,
      around: (mirror, part, method, args, call) => this.#around(mirror, part, method, args, call),
    };
    await Mirror.open(options, async (mirror) => {
      const { index, inFlight } = mirror;
      const { pinned, uses } = this;
      const onViolation = (what: string) => this.violation(what);
      const judge = new EvictionJudge({ index, inFlight, pinned, uses, onViolation });
      this.#opened = { path, mirror, judge };
      await this.learnPins();
      this.#removed = new Set();
      const rows = await index.listBlobs('', 10_000);
      this.rowsAtStart = new Map(rows.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
    });
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.mirror[Symbol.asyncDispose]();
  }

  #around(
    mirror: Mirror,
    part: 'index' | 'store' | 'ingest',
    method: string,
    args: readonly unknown[],
    call: () => unknown,
  ): unknown {
    const opened = this.#opened;
    if (part === 'store' && (method === 'ingest' || method === 'passThrough')) mirror.inFlight.opened(String(args[0]));
    // What ends is not watched any more.
    if (opened?.mirror !== mirror) return call();
    if (part === 'index') this.#note(method, args);
    if (!CHANGING.has(method) && method !== 'oldestRoots') return call();
    this.#step();
    return afterwards(this.#call(opened.judge, method, args, call), () => {
      this.#step();
      if (part !== 'index') this.#sample();
    });
  }

  #call(judge: EvictionJudge, method: string, args: readonly unknown[], call: () => unknown): unknown {
    if (method === 'oldestRoots') {
      judge.asksForOldest();
      return (call() as Promise<Root[]>).then((roots) => {
        judge.sawOldest(args[0] as { registry?: string }, roots);
        return roots;
      });
    }
    if (method !== 'dropRoots') return call();
    return judge
      .judge(args[0] as Root[], () => call() as Promise<DoomedContent[]>)
      .then((doomed) => {
        for (const { digest } of doomed) this.#removed.add(digest);
        return doomed;
      });
  }

  /** What the index is told, for the order of uses and for what may go. */
  #note(method: string, [first, second, third]: readonly unknown[]): void {
    const now = Date.now();
    if (method === 'noteUse') {
      const { repository, digest, atMs } = first as Use;
      this.uses.touched(repository, digest, atMs);
    } else if (method === 'putManifest') {
      const { repository, digest } = first as ManifestRecord;
      this.uses.touched(repository, digest, now);
    } else if (method === 'putBlob') {
      const { digest, repositories } = first as { digest: Digest; repositories: readonly string[] };
      for (const repository of repositories) this.uses.touched(repository, digest, now);
    } else if (method === 'linkBlob') {
      this.uses.touched(String(first), String(second), now + 1);
    } else if (method === 'putTag') {
      this.uses.touched(String(first), String(third), now);
    } else if (method === 'removeBlobs') {
      const intact = (first as Digest[]).filter((digest) => !this.spoiled.has(digest));
      if (intact.length > 0) this.violation(`taken for lost, and it is not: ${intact.map(nameOf).join()}`);
    }
  }

  #step(): void {
    this.#steps += 1;
    this.#crashIfDue();
  }

  #crashIfDue(): void {
    if (this.#steps < this.#crashAt || this.#crashPath === undefined) return;
    this.#crashAt = Infinity;
    crashCopy(this.path, this.#crashPath);
  }

  #sample(): void {
    if (!this.#opened) return;
    const { bytes, parts } = diskUsage(this.path);
    const { quotaBytes } = this.setup;
    if (bytes > quotaBytes) this.violation(`${bytes} bytes on the disk, quota ${quotaBytes}: ${JSON.stringify(parts)}`);
  }

  async #busyWith(): Promise<string> {
    const { fills, disk } = await this.registry.operations.status();
    return JSON.stringify({ fills, disk });
  }
}
