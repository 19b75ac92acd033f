/** Gathered while a write is under way; the connection is read no further beyond this. */
const MAX_GATHERED_BYTES = 1024 * 1024;

/**
 * Writes chunks to consecutive offsets, gathering those that come while a write is under way: packets of 16 to 64 KiB
 * then cost one system call a megabyte, and none of them waits for more to come.
 */
export class WriteBehind {
  readonly #write: (chunks: readonly Uint8Array[], positionBytes: number) => Promise<void>;
  #positionBytes: number;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;
  #error: Error | undefined;

  constructor(positionBytes: number, write: (chunks: readonly Uint8Array[], positionBytes: number) => Promise<void>) {
    this.#positionBytes = positionBytes;
    this.#write = write;
  }

  /** Takes a chunk; waits only while too much is gathered. @throws whatever a write threw */
  async push(chunk: Uint8Array): Promise<void> {
    this.#throwIfFailed();
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    this.#writing ??= this.#drain();
    while (this.#gatheredBytes >= MAX_GATHERED_BYTES && this.#writing !== undefined) await this.#writing;
  }

  /** Waits until all is written. @throws whatever a write threw */
  async flush(): Promise<void> {
    await this.#writing;
    this.#throwIfFailed();
  }

  async #drain(): Promise<void> {
    try {
      while (this.#gathered.length > 0 && this.#error === undefined) {
        const chunks = this.#gathered;
        const position = this.#positionBytes;
        this.#positionBytes += this.#gatheredBytes;
        this.#gathered = [];
        this.#gatheredBytes = 0;
        await this.#write(chunks, position);
      }
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(String(error));
      this.#gatheredBytes = 0;
    } finally {
      this.#writing = undefined;
    }
  }

  #throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error;
  }
}
