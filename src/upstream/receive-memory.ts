import { Buffer } from 'node:buffer';

/** What a connection has at first: answers that are no blobs fit in. */
const SMALL_BYTES = 16 * 1024;
/** What one that fills its memory goes on with, until so little of it is left that reads would become short. */
const BLOCK_BYTES = 256 * 1024;
const REST_BYTES = { small: 4 * 1024, block: 64 * 1024 } as const;
/** Blocks that are kept for the next download: what comes faster than the disk takes it is no more than this. */
const MOST_FREE = 64;

interface Block {
  readonly memory: ArrayBuffer;
  /** Received into it, and not given back yet. */
  heldBytes: number;
  /** A connection receives into it; it is full; or it waits to be used again. */
  state: 'open' | 'full' | 'free';
}

/** What net.connect and tls.connect take: where a connection puts what it receives. */
interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (this: { push(bytes: Uint8Array): boolean }, length: number, memory: Uint8Array) => boolean;
}

/**
 * Memory that connections receive into, used again when its bytes were given back. Node otherwise takes 64 KiB anew from
 * the system for each read, and V8 collects its whole heap each time these add up to 64 MiB: half of what a download cost.
 * Whoever gives nothing back leaves it to the collector.
 */
export class ReceiveMemory {
  /** For all connections of a dispatcher: Node asks for memory once a connection begins, and after each read. */
  readonly onread: OnRead;
  readonly #blocks = new WeakMap<ArrayBufferLike, Block>();
  #free: Block[] = [];
  /** Where the connection that just received something goes on. */
  #next: Uint8Array | undefined;

  constructor() {
    const hold = this.#hold.bind(this);
    const goOn = this.#goOn.bind(this);
    this.onread = {
      buffer: () => {
        const next = this.#next ?? Buffer.alloc(SMALL_BYTES);
        this.#next = undefined;
        return next;
      },
      callback(length, memory) {
        hold(length, memory);
        const takesMore = this.push(memory.subarray(0, length));
        goOn(length, memory);
        return takesMore;
      },
    };
  }

  /** The bytes of a body, as it came, are not needed any more. */
  release(bytes: Uint8Array): void {
    const block = this.#blocks.get(bytes.buffer);
    if (!block) return;
    block.heldBytes -= bytes.length;
    this.#reuse(block);
  }

  #hold(length: number, memory: Uint8Array): void {
    const block = this.#blocks.get(memory.buffer);
    if (block) block.heldBytes += length;
  }

  /** Chooses where the connection receives to next: Node asks for it at once. */
  #goOn(length: number, memory: Uint8Array): void {
    const block = this.#blocks.get(memory.buffer);
    const rest = memory.subarray(length);
    const isFilled = rest.length < (block ? REST_BYTES.block : REST_BYTES.small);
    if (!isFilled) {
      this.#next = rest;
      return;
    }
    // Many short answers fill it too, but only what comes without a pause fills it at once.
    this.#next = block || rest.length === 0 ? this.#open() : Buffer.alloc(SMALL_BYTES);
    if (!block) return;
    block.state = 'full';
    this.#reuse(block);
  }

  #open(): Uint8Array {
    const block = this.#free.pop() ?? { memory: new ArrayBuffer(BLOCK_BYTES), heldBytes: 0, state: 'open' };
    block.state = 'open';
    this.#blocks.set(block.memory, block);
    return Buffer.from(block.memory);
  }

  #reuse(block: Block): void {
    if (block.state !== 'full' || block.heldBytes > 0 || this.#free.length >= MOST_FREE) return;
    block.state = 'free';
    this.#free.push(block);
  }
}
