import type { Contender } from './contenders.ts';
import type { Figure } from './figures.ts';
import type { Layer } from './layer.ts';
import { cpuSeconds } from './measure.ts';

const MIB = 1024 * 1024;

/** What pushes to one registry, one round after the other, cost. */
export class Pushing {
  readonly #contender: Contender;
  readonly #push: (url: string, layer: Layer) => Promise<void>;
  readonly #mibPerSecond: number[] = [];
  #bytes = 0;
  #cpuSeconds = 0;

  constructor(contender: Contender, push: (url: string, layer: Layer) => Promise<void>) {
    this.#contender = contender;
    this.#push = push;
  }

  /** One round: all of these at once. */
  async push(layers: readonly Layer[]): Promise<void> {
    const { url, pid } = this.#contender;
    const bytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const cpuBefore = await cpuSeconds(pid);
    const startMs = performance.now();
    await Promise.all(layers.map((layer) => this.#push(url, layer)));
    this.#mibPerSecond.push(bytes / MIB / ((performance.now() - startMs) / 1000));
    this.#cpuSeconds += (await cpuSeconds(pid)) - cpuBefore;
    this.#bytes += bytes;
  }

  /** The median round, since disks have moods, and the processor time of all. */
  figures(name: string): Figure[] {
    const sorted = this.#mibPerSecond.toSorted((one, other) => one - other);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    return [
      { name, unit: 'MiB/s', better: 'more', value: median },
      { name: `${name}, CPU`, unit: 's/GB', better: 'less', value: this.#cpuSeconds / (this.#bytes / 1e9) },
    ];
  }
}
