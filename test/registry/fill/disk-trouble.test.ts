import { expect, test, vi } from 'vitest';
import { ContentError, type ContentErrorCode } from '../../../src/content/content-error.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeRepository } from '../../../src/oci/repository.ts';
import type { FillReader } from '../../../src/registry/fill/fill-reader.ts';
import { Fills, type FillsOptions } from '../../../src/registry/fill/fills.ts';
import type { TransferSource } from '../../../src/registry/fill/transfer.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { KeyedLock } from '../../../src/util/keyed-lock.ts';
import { openQuickDiskStore } from '../../content/support/open-disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';
import { budgetOver, quotaFor } from '../space/figures.ts';

const SIZE = 100_000;

test.each<[string, ContentErrorCode, { reliefs: number; failures: number }]>([
  ['that is full is relieved of what was not used for long', 'STORE_FULL', { reliefs: 1, failures: 0 }],
  ['that fails is not: less on it would not mend it', 'STORE_FAILED', { reliefs: 0, failures: 1 }],
])('a disk %s, and the client gets its bytes', async (_, code, expected) => {
  await using opened = await openQuickDiskStore();
  const { budget } = budgetOver({ quotaBytes: await quotaFor(100 * SIZE) });
  const relieve = vi.spyOn(budget, 'relieve').mockResolvedValue(undefined);
  const telemetry = new Telemetry(silentLogger(), new Metrics('test'));
  const storeFailed = vi.spyOn(telemetry, 'storeFailed');
  const store = {
    ingest: async (digest: Parameters<typeof opened.store.ingest>[0]) =>
      Object.assign(await opened.store.ingest(digest), {
        write: () => Promise.reject(new ContentError(code, 'the disk')),
      }),
  };
  await using fills = new Fills({
    store: store as unknown as FillsOptions['store'],
    index: {} as FillsOptions['index'],
    lost: {} as FillsOptions['lost'],
    budget,
    locks: new KeyedLock(),
    telemetry,
    connections: 1,
    maxExtraConnections: 0,
  });
  const bytes = seededBytes(SIZE, 'sent');
  const wish = { sizeBytes: SIZE, positionBytes: 0, purpose: 'miss' as const };
  const joined = await fills.join(digestOf(bytes), sourceOf(bytes), wish);
  if (!joined) throw new Error('there is no fill');
  expect(await readAll(joined.reader)).toEqual(bytes);
  await joined.fill.ended;
  expect({ reliefs: relieve.mock.calls.length, failures: storeFailed.mock.calls.length }).toEqual(expected);
});

function sourceOf(bytes: Buffer): TransferSource {
  const getBlob: TransferSource['upstream']['getBlob'] = async () => ({
    startBytes: 0,
    totalBytes: bytes.length,
    isPartial: false,
    body: (async function* () {
      yield bytes;
    })(),
    recycle: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });
  return { repository: makeRepository('docker.io', 'library/app'), upstream: { getBlob } } as unknown as TransferSource;
}

async function readAll(reader: FillReader): Promise<Buffer> {
  const bytes = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; ) at += await reader.read(bytes.subarray(at), at);
  await reader[Symbol.asyncDispose]();
  return bytes;
}
