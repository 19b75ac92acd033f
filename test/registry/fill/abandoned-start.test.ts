import { expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeRepository } from '../../../src/oci/repository.ts';
import { BoundedIngest } from '../../../src/registry/fill/bounded-ingest.ts';
import { Fill } from '../../../src/registry/fill/fill.ts';
import type { TransferSource } from '../../../src/registry/fill/transfer.ts';
import { openQuickDiskStore } from '../../content/support/open-disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';
import { budgetOver, quotaFor } from '../space/figures.ts';

const MIB = 1024 * 1024;

test('a fill that is abandoned while its ingest is being opened lets go of it', async () => {
  await using opened = await openQuickDiskStore();
  const { budget } = budgetOver({ quotaBytes: await quotaFor(100 * MIB) });
  const digest = digestOf(seededBytes(MIB, 'abandoned'));
  const source: TransferSource = {
    repository: makeRepository('docker.io', 'library/app'),
    upstream: {
      getBlob: () => Promise.reject(new Error('asked for a blob that nobody wants any more')),
    } as unknown as TransferSource['upstream'],
  };
  const gate = Promise.withResolvers<void>();
  const fill = new Fill(
    digest,
    source,
    { sizeBytes: MIB, purpose: 'miss' },
    {
      openIngest: async () => {
        await gate.promise;
        const inner = await opened.store.ingest(digest);
        return new BoundedIngest(inner, { budget, registry: 'docker.io', onPassing: () => undefined });
      },
      store: () => Promise.reject(new Error('nothing is to be stored')),
      onEnd: () => undefined,
      onStoreError: (_, error) => {
        throw error;
      },
      connections: () => 1,
      ranges: new Set(),
    },
  );
  const starting = fill.start();
  await fill.abandon(new Error('the end'));
  gate.resolve();
  await starting;
  // It is refused while anybody else has it.
  await using again = await opened.store.ingest(digest);
  expect(again.have.size).toBe(0);
  expect(fill.isJoinable).toBe(false);
});
