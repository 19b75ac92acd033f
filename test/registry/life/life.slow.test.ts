import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { anyCommand, type Real } from './support/commands.ts';
import { expectAgreement, storedRows } from './support/agreement.ts';
import { Life } from './support/life.ts';
import type { Setup } from './support/mirror.ts';
import { REGISTRIES } from './support/universe.ts';
import { World } from './support/world.ts';

/** Longer runs find more: `LIFE_SECONDS=600`. */
const SECONDS = Number(process.env['LIFE_SECONDS'] ?? 10);
const MIB = 1024 * 1024;

const anySetup: fc.Arbitrary<Setup> = fc.record({
  quotaBytes: fc.integer({ min: 1, max: 24 }).map((eighths) => MIB + (eighths * MIB) / 8),
  registryQuotaBytes: fc.constantFrom(400_000, 4 * MIB),
  lowWatermark: fc.constantFrom(0.6, 0.9, 1),
  readAhead: fc.boolean(),
  freshForMs: fc.constantFrom(0, 3_600_000),
  hotManifestBytes: fc.constantFrom(0, MIB),
});

test(
  'whatever is pulled, pinned, purged, damaged and killed: right bytes, no leak, no breach of the quota, oldest first',
  async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(anySetup, fc.commands(anyCommand, { maxCommands: 15, size: 'max' }), async (setup, commands) => {
        await using folder = await temporaryDirectory();
        await using world = await World.start();
        await using life = await Life.open({ folder: folder.path, originUrl: world.origin.url, setup });
        await fc.asyncModelRun(() => ({ model: {}, real: { life, world } }), commands);
        await expectAnEnd({ life, world });
        runs += 1;
      }),
      { numRuns: 1_000_000, interruptAfterTimeLimit: SECONDS * 1000, endOnFailure: true },
    );
    console.log(`${runs} lives`);
  },
  SECONDS * 1000 + 60_000,
);

/** Nothing is damaged in secret, all that may be evicted can be, and nothing is left when all is purged. */
async function expectAnEnd({ life }: Real): Promise<void> {
  const { operations } = life.registry;
  await operations.verify({}, { signal: AbortSignal.timeout(30_000), onProgress: () => undefined });
  await expectAgreement(life);
  expect([...life.spoiled]).toEqual([]);
  await operations.evict({ toBytes: 0, dryRun: false });
  await expectAgreement(life);
  const roots = await life.mirror.index.listRoots({ limit: 1000 });
  expect(roots.filter((root) => !life.pinned.has(root))).toEqual([]);
  for (const upstream of REGISTRIES) await operations.purge({ upstream }, { dryRun: false }).catch(() => undefined);
  await expectAgreement(life);
  const { index } = life.mirror;
  expect(await index.listRoots({ limit: 1000 })).toEqual([]);
  const adopted = await index.listRoots({ repository: '', limit: 1000 });
  expect([...(await storedRows(index)).keys()]).toEqual(adopted.map(({ digest }) => digest));
}
