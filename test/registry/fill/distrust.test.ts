import { expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeRepository } from '../../../src/oci/repository.ts';
import { BoundedIngest } from '../../../src/registry/fill/bounded-ingest.ts';
import { Fill } from '../../../src/registry/fill/fill.ts';
import type { TransferSource } from '../../../src/registry/fill/transfer.ts';
import { ContentError } from '../../../src/content/content-error.ts';
import { openQuickDiskStore } from '../../content/support/open-disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';
import { budgetOver, quotaFor } from '../space/figures.ts';

const SIZE = 100_000;

test.each([
  ['that are wrong are held against their source', () => Promise.resolve(false), 1],
  ['that the disk does not give back are not', () => Promise.reject(new ContentError('STORE_FAILED', 'the disk')), 0],
])('bytes %s', async (_, verify, blamed) => {
  await using opened = await openQuickDiskStore();
  const { budget } = budgetOver({ quotaBytes: await quotaFor(100 * SIZE) });
  const bytes = seededBytes(SIZE, 'sent');
  const digest = digestOf(bytes);
  const distrusted: string[] = [];
  const getBlob: TransferSource['upstream']['getBlob'] = async () => ({
    startBytes: 0,
    totalBytes: SIZE,
    isPartial: false,
    body: (async function* () {
      yield bytes;
    })(),
    recycle: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });
  const upstream = { getBlob, distrust: (path: string) => distrusted.push(path) };
  const source = { repository: makeRepository('docker.io', 'library/app'), upstream } as unknown as TransferSource;
  const fill = new Fill(
    digest,
    source,
    { sizeBytes: SIZE, purpose: 'miss' },
    {
      openIngest: async () => {
        const inner = await opened.store.ingest(digest);
        const ingest = new BoundedIngest(inner, { budget, registry: 'docker.io', onPassing: () => undefined });
        return Object.assign(ingest, { verify });
      },
      store: () => Promise.reject(new Error('nothing is to be stored')),
      onEnd: () => undefined,
      onStoreError: () => undefined,
      connections: () => 1,
      ranges: new Set(),
    },
  );
  await fill.start();
  fill.run();
  await expect(fill.ended).rejects.toBeInstanceOf(Error);
  expect(distrusted).toHaveLength(blamed);
});
