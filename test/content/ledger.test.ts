import { truncate, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Layout } from '../../src/content/disk/layout.ts';
import { content, ingestAll } from './content-store-conformance.ts';
import { type OpenedDiskStore, openQuickDiskStore } from './support/open-disk-store.ts';
import { expectBytes } from './support/expect-bytes.ts';
import { readContent, readFrom } from './support/read-content.ts';

const SIZE = 1000;
const HALF = SIZE / 2;
const whole = content(SIZE, 'whole');

let opened: OpenedDiskStore;
beforeAll(async () => {
  opened = await openQuickDiskStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

function ledger(changes: object = {}): string {
  return JSON.stringify({
    version: 1,
    totalBytes: SIZE,
    origin: 'docker.io/library/app',
    have: [[0, HALF]],
    ...changes,
  });
}

/** Opens an ingest on pieces and a ledger that some crash has left; it must end well, or say that it cannot. */
async function expectResumed(part: Uint8Array, ledgerText: string | Uint8Array): Promise<{ haveBytes: number }> {
  const { store } = opened;
  await store.remove(whole.digest);
  const layout = new Layout(opened.path);
  await writeFile(layout.part(whole.digest), part);
  await writeFile(layout.ledger(whole.digest), ledgerText);
  await using ingest = await store.ingest(whole.digest);
  const haveBytes = ingest.have.size;
  await using reader = ingest.openReader();
  for (const [start, end] of ingest.have.toJSON()) {
    const buffer = Buffer.alloc(end - start);
    expect(await reader.read(buffer, start)).toBe(buffer.length);
  }
  ingest.describe(SIZE, 'docker.io/library/app');
  for (let gap = ingest.have.firstGap(0, SIZE); gap; gap = ingest.have.firstGap(gap[1], SIZE)) {
    await ingest.write([whole.bytes.subarray(gap[0], gap[1])], gap[0]);
  }
  if (await ingest.verify()) {
    await ingest.commit();
    expectBytes(await readContent(store, whole.digest), whole.bytes);
    expectBytes(await readFrom(reader), whole.bytes);
    return { haveBytes };
  }
  await ingest.discard();
  await using fresh = await store.ingest(whole.digest);
  expect(fresh.have.size).toBe(0);
  await ingestAll(fresh, whole.bytes);
  expectBytes(await readContent(store, whole.digest), whole.bytes);
  return { haveBytes };
}

describe('an ingest that is gone on with', () => {
  test('has what the ledger says', async () => {
    expect(await expectResumed(whole.bytes.subarray(0, HALF), ledger())).toEqual({ haveBytes: HALF });
  });

  test.each<[string, string | Uint8Array]>([
    ['is empty', ''],
    ['is torn', ledger().slice(0, 30)],
    ['is torn near its end', ledger().slice(0, -1)],
    ['is zeros', Buffer.alloc(4096)],
    ['is noise', content(500, 'noise').bytes],
    ['is null', 'null'],
    ['is a list', '[]'],
    ['is of another version', ledger({ version: 2 })],
    ['has no size', ledger({ totalBytes: undefined })],
    ['has a size that is none', ledger({ totalBytes: -1 })],
    ['has no origin', ledger({ origin: 7 })],
    ['has no pieces', ledger({ have: [] })],
    ['has pieces of another shape', ledger({ have: { 0: [0, 5] } })],
    ['has a piece that runs backwards', ledger({ have: [[5, 0]] })],
    ['has a piece of three numbers', ledger({ have: [[0, 5, 10]] })],
    ['has a piece before the start', ledger({ have: [[-5, 5]] })],
    ['has a piece with a fraction', ledger({ have: [[0, 5.5]] })],
    ['has a piece after the end of the content', ledger({ have: [[0, SIZE + 1]] })],
    ['has a piece at infinity', ledger().replace('500', '1e999')],
    ['claims more than the file has', ledger({ have: [[0, HALF + 1]] })],
    ['claims all of a file that is half there', ledger({ have: [[0, SIZE]] })],
    ['is larger than any ledger', ledger({ origin: 'x'.repeat(1024 * 1024) })],
  ])('begins anew when the ledger %s', async (_, text) => {
    expect(await expectResumed(whole.bytes.subarray(0, HALF), text)).toEqual({ haveBytes: 0 });
  });

  test('trusts only the pieces that the file has', async () => {
    const text = ledger({
      have: [
        [0, 100],
        [200, HALF],
        [HALF + 1, SIZE],
      ],
    });
    expect(await expectResumed(whole.bytes.subarray(0, HALF), text)).toEqual({ haveBytes: 400 });
  });

  test('takes pieces that overlap or come in another order', async () => {
    const text = ledger({
      have: [
        [200, HALF],
        [0, 100],
        [50, 150],
      ],
    });
    expect(await expectResumed(whole.bytes.subarray(0, HALF), text)).toEqual({ haveBytes: 450 });
  });

  test('never stores the zeros that a power cut left where the ledger says bytes', async () => {
    const part = Buffer.concat([whole.bytes.subarray(0, 300), Buffer.alloc(SIZE - 300)]);
    await expectResumed(part, ledger({ have: [[0, SIZE]] }));
  });

  test('stores no more than the content when the file is longer', async () => {
    const part = Buffer.concat([whole.bytes.subarray(0, HALF), content(5 * SIZE, 'rest').bytes]);
    await expectResumed(part, ledger());
  });

  test('stores the right bytes or none, whatever the ledger and the file say', async () => {
    const edge = fc.integer({ min: 0, max: SIZE + 5 });
    const have = fc.array(fc.tuple(edge, edge), { maxLength: 5 });
    const part = fc.tuple(edge, edge).map(([right, length]) => {
      const bytes = Buffer.alloc(length);
      whole.bytes.copy(bytes, 0, 0, right);
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(part, have, async (bytes, pieces) => {
        await expectResumed(bytes, ledger({ have: pieces }));
      }),
      { numRuns: 15 },
    );
  });

  test('begins anew when the file is gone or cut off', async () => {
    const layout = new Layout(opened.path);
    await writeFile(layout.ledger(whole.digest), ledger());
    {
      await using ingest = await opened.store.ingest(whole.digest);
      expect(ingest.have.size).toBe(0);
      ingest.describe(SIZE, 'test');
      await ingest.write([whole.bytes], 0);
    }
    await truncate(layout.part(whole.digest), 10);
    await using ingest = await opened.store.ingest(whole.digest);
    expect(ingest.have.size).toBe(0);
  });
});
