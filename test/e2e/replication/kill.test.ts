import { expect, test } from 'vitest';
import type { VerifyReport } from '../../../src/registry/operations/operations.ts';
import { ship } from '../../conformance/support/push.ts';
import { buildImage } from '../../support/images.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { expectAgreement } from '../life/support/index-and-disk.ts';
import { type SeededRandom, seededRandom } from '../life/support/seeded-random.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { peerAt, type Site, startSite } from './support/site.ts';
import { arrival, digestAt, rest, until } from './support/wait.ts';
import { Wire } from './support/wire.ts';

const MIB = 1024 * 1024;
const LAYER_BYTES = 256 * MIB;
const KILLS_OF_EACH = 10;

/** So many bytes have gone over the wire at these moments, at random but for some that are left at the end. */
function moments(count: number, random: SeededRandom): number[] {
  const all = Array.from({ length: count }, () => random.below(LAYER_BYTES - 8 * MIB));
  return all.toSorted((one, other) => one - other);
}

/** Kills a site when so many bytes have gone over the wire, and some since the last time, and starts it again. */
async function killAt(site: Site, wire: Wire, bytes: number): Promise<void> {
  const before = wire.sentBytes;
  const hasCome = () => wire.sentBytes >= Math.max(bytes, before + 64 * 1024);
  await until(`${(bytes / MIB).toFixed(0)} MiB over the wire`, hasCome, { pollMs: 2 });
  await site.kill();
  await site.start();
}

test('kill -9 of both sites, ten times each, while a layer of 256 MiB is copied: it arrives, and little is sent twice', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  console.log(`kill -9 at random: SEED=${seed}`);
  const random = seededRandom(seed);
  await using far = await startSite({ name: 'far' });
  await using wire = await Wire.start(far.host);
  await using near = await startSite({
    name: 'near',
    config: {
      peers: { far: peerAt(wire.host, { bandwidth: '40MiB/s' }) },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['far'] }],
    },
  });
  await runJsonCommand(near.adminUrl, 'replication', 'pause');
  const image = await ship(near.client('local/app'), (target) =>
    buildImage(target, '', 'v1', { layers: [LAYER_BYTES], seed }),
  );
  wire.reset();
  await runJsonCommand(near.adminUrl, 'replication', 'resume');

  const left = { near: KILLS_OF_EACH, far: KILLS_OF_EACH };
  for (const bytes of moments(2 * KILLS_OF_EACH, random)) {
    const who = random.below(left.near + left.far) < left.near ? 'near' : 'far';
    left[who] -= 1;
    await killAt({ near, far }[who], wire, bytes);
    expect(await digestAt(far, 'local/app', 'v1'), 'not so soon').toBe(undefined);
  }
  await arrival(far, 'local/app', 'v1', image.digest);
  await rest(near);
  const resent = wire.sentBytes / LAYER_BYTES - 1;
  console.log(
    `${2 * KILLS_OF_EACH} times kill -9: ${(resent * 100).toFixed(1)} % of ${LAYER_BYTES / MIB} MiB sent again`,
  );
  expect(resent).toBeLessThanOrEqual(0.25);
  expect(await pullWhole(far.client('local/app'), 'v1')).toEqual(
    [image.digest, image.config, ...image.layers].toSorted(),
  );
  for (const site of [near, far]) {
    const report = await runJsonCommand<VerifyReport>(site.adminUrl, 'verify', '--all');
    expect(report, site.name).toMatchObject({ damaged: [], missing: [] });
    await site.stop();
    expectAgreement(site.path);
  }
});
