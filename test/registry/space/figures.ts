import type { Usage } from '../../../src/metadata/metadata-index.ts';
import { DiskBudget } from '../../../src/registry/space/disk-budget.ts';
import { allowedBytes, type SpaceLimits, usedBytes } from '../../../src/registry/space/room.ts';

/** What index and store say of the disk: to be changed as a test likes. */
export interface Figures {
  usage: Usage;
  freeBytes: number;
  debrisBytes: number;
  folderBytes: number;
}

/** A budget over figures of an empty disk of a terabyte. */
export function budgetOver(limits: Partial<SpaceLimits>): { budget: DiskBudget; figures: Figures } {
  const figures: Figures = {
    usage: { blobs: 0, diskBytes: 0, diskBytesByRegistry: new Map(), indexBytes: 0, indexUnwrittenBytes: 0 },
    freeBytes: 2 ** 40,
    debrisBytes: 0,
    folderBytes: 0,
  };
  const budget = new DiskBudget({
    index: { usage: async () => figures.usage },
    store: {
      space: async () => ({ freeBytes: figures.freeBytes, totalBytes: 0, folderBytes: figures.folderBytes }),
      debris: async () => [{ name: 'x', kind: 'quarantined', sizeBytes: figures.debrisBytes, atMs: 0 }],
    },
    limits: { quotaBytes: undefined, minFreeBytes: 0, lowWatermark: 0.9, registryQuotas: new Map(), ...limits },
  });
  return { budget, figures };
}

/** A quota under which an empty disk has room for exactly so many bytes of downloads. */
export async function quotaFor(bytes: number): Promise<number> {
  const used = usedBytes(await budgetOver({}).budget.read());
  let quotaBytes = bytes + used;
  const limits = { minFreeBytes: 0, lowWatermark: 0.9, registryQuotas: new Map<string, number>() };
  while (allowedBytes({ ...limits, quotaBytes }) < bytes + used) quotaBytes += 1024;
  return quotaBytes;
}
