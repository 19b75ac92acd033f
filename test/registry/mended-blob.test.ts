import { describe, expect, test } from 'vitest';
import { ContentError } from '../../src/content/content-error.ts';
import { CONTENT_PASSED } from '../../src/registry/fill/bounded-ingest.ts';
import { NOBODY_READS } from '../../src/registry/fill/passing-window.ts';
import { type BlobReading, MendedBlob } from '../../src/registry/mended-blob.ts';
import { CodedError } from '../../src/util/coded-error.ts';
import { seededBytes } from '../support/bytes.ts';

const bytes = seededBytes(10_000, 'mended');

/** A source that has the blob up to an offset and fails there; it counts how often it was closed. */
class Source implements BlobReading {
  readonly #endBytes: number;
  readonly #failure: Error | undefined;
  closed = 0;

  constructor(endBytes: number, failure?: Error) {
    this.#endBytes = endBytes;
    this.#failure = failure;
  }

  async read(buffer: Uint8Array, positionBytes: number): Promise<number> {
    if (this.closed > 0) throw new Error('read after it was closed');
    if (positionBytes >= this.#endBytes && this.#failure) throw this.#failure;
    const part = bytes.subarray(positionBytes, Math.min(this.#endBytes, positionBytes + buffer.length));
    buffer.set(part);
    return part.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed += 1;
  }
}

async function readAll(blob: BlobReading): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let position = 0; ; ) {
    const piece = Buffer.alloc(700);
    const read = await blob.read(piece, position);
    if (read === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, read));
    position += read;
  }
}

const unreadable = new ContentError('STORE_FAILED', 'the disk is damaged');
const passedBy = new CodedError(CONTENT_PASSED, 'the others went on');
const sizeKnown = () => bytes.length;

describe('a mended blob', () => {
  test.each([
    ['of an unreadable file', unreadable, sizeKnown],
    ['of a file that cannot be read for want of something', new ContentError('STORE_FULL', 'no'), sizeKnown],
    ['of a fill that went on without it', passedBy, () => undefined],
    ['of a fill that ended for want of readers', new CodedError(NOBODY_READS, 'none'), () => undefined],
    ['of a file that is too short', undefined, sizeKnown],
  ])('goes on with another source in the place %s', async (_, failure, size) => {
    const sources = [new Source(4000, failure), new Source(bytes.length)] as [Source, Source];
    const asked: unknown[] = [];
    const blob = new MendedBlob(sources[0], size, async (why, position) => {
      asked.push([why, position]);
      return sources[1];
    });
    expect((await readAll(blob)).equals(bytes)).toBe(true);
    expect(asked).toEqual([[failure ?? expect.any(ContentError), 4000]]);
    expect(sources.map(({ closed }) => closed)).toEqual([1, 0]);
    await blob[Symbol.asyncDispose]();
    expect(sources[1].closed).toBe(1);
  });

  test('ends where its source says when nobody knows its size', async () => {
    const blob = new MendedBlob(
      new Source(4000),
      () => undefined,
      () => Promise.reject(new Error('not asked')),
    );
    expect((await readAll(blob)).equals(bytes.subarray(0, 4000))).toBe(true);
  });

  test('takes three other sources, and gives up after that', async () => {
    const sources = [1000, 2000, 3000, 4000, 10_000].map((end) => new Source(end, unreadable));
    const left = [...sources];
    const blob = new MendedBlob(left.shift() as Source, sizeKnown, async () => left.shift() as Source);
    await expect(readAll(blob)).rejects.toBe(unreadable);
    expect(left).toEqual([sources.at(-1)]);
    await blob[Symbol.asyncDispose]();
    expect(sources.map(({ closed }) => closed > 0)).toEqual([true, true, true, true, false]);
  });

  test('tells a failure that another source could not mend', async () => {
    const failure = new CodedError('SHUTTING_DOWN', 'closing');
    const blob = new MendedBlob(new Source(1000, failure), sizeKnown, () => Promise.reject(new Error('not asked')));
    await expect(readAll(blob)).rejects.toBe(failure);
    await blob[Symbol.asyncDispose]();
  });

  test('tells why there is no other source', async () => {
    const none = new Error('the upstream is away');
    const blob = new MendedBlob(new Source(1000, unreadable), sizeKnown, () => Promise.reject(none));
    await expect(readAll(blob)).rejects.toBe(none);
    await blob[Symbol.asyncDispose]();
  });

  test('that was closed asks for no other source', async () => {
    const first = new Source(bytes.length);
    const gate = Promise.withResolvers<number>();
    first.read = () => gate.promise;
    const blob = new MendedBlob(first, sizeKnown, () => Promise.reject(new Error('not asked')));
    const reading = blob.read(Buffer.alloc(10), 0);
    await blob[Symbol.asyncDispose]();
    gate.reject(unreadable);
    await expect(reading).rejects.toBe(unreadable);
    expect(first.closed).toBe(1);
  });

  test('that was closed while another source was sought closes that too', async () => {
    const second = new Source(bytes.length);
    const gate = Promise.withResolvers<BlobReading>();
    const isAsked = Promise.withResolvers<void>();
    const blob = new MendedBlob(new Source(0, unreadable), sizeKnown, () => {
      isAsked.resolve();
      return gate.promise;
    });
    const reading = blob.read(Buffer.alloc(10), 0);
    await isAsked.promise;
    await blob[Symbol.asyncDispose]();
    gate.resolve(second);
    await expect(reading).rejects.toThrow('closed');
    expect(second.closed).toBe(1);
  });
});
