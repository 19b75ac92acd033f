import type { WriteStream } from 'node:tty';

/** Shows how far long work is. Disposing it leaves the terminal as it was. */
export interface Progress extends Disposable {
  /** @param text how far it is, in words */
  update(done: number, total: number, text: string): void;
}

const LINE_EVERY_MS = 10_000;

/** A bar on a terminal, elsewhere a line now and then. @param label what is being done */
export async function startProgress(label: string, stream: WriteStream = process.stderr): Promise<Progress> {
  return stream.isTTY ? await startBar(label, stream) : new ProgressLines(label, stream);
}

async function startBar(label: string, stream: WriteStream): Promise<Progress> {
  const { default: cliProgress } = await import('cli-progress');
  const options = { format: `${label} {bar} {percentage}% | {text}`, stream, hideCursor: true, fps: 5, barsize: 20 };
  const bar = new cliProgress.SingleBar(options, cliProgress.Presets.shades_classic);
  bar.start(1, 0, { text: '' });
  return {
    update(done, total, text) {
      // What is to be done becomes known on the way. Of nothing at all, all is done.
      bar.setTotal(Math.max(1, total));
      bar.update(total === 0 ? 1 : done, { text });
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}

class ProgressLines implements Progress {
  readonly #label: string;
  readonly #stream: NodeJS.WritableStream;
  #toldAtMs = performance.now();

  constructor(label: string, stream: NodeJS.WritableStream) {
    this.#label = label;
    this.#stream = stream;
  }

  update(_done: number, _total: number, text: string): void {
    if (performance.now() - this.#toldAtMs < LINE_EVERY_MS) return;
    this.#toldAtMs = performance.now();
    this.#stream.write(`${this.#label}: ${text}\n`);
  }

  [Symbol.dispose](): void {}
}
