import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ship } from '../../conformance/support/push.ts';
import { buildImage } from '../../support/images.ts';
import { freePort } from '../../support/process.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { openFarPlace } from './support/far-place.ts';
import { pushMany } from './support/push-many.ts';
import { peerAt, startSite } from './support/site.ts';
import { digestAt, rest } from './support/wait.ts';

const MIB = 1024 * 1024;
/** There and back: 100 ms. */
const WAY = { delayMs: 50, loss: 0.01 };

/** How long it takes to connect, in ms, at best. */
async function roundTripMs(address: string, port: number): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < 5; round++) {
    const startMs = performance.now();
    const socket = connect(port, address);
    await once(socket, 'connect');
    took.push(performance.now() - startMs);
    socket.destroy();
  }
  return Math.min(...took);
}

test('100 ms and a lossy way apart: a large image and twenty small ones arrive, each byte sent once', async () => {
  await using place = await openFarPlace(WAY);
  const { namespace, nearAddress, farAddress } = place;
  const port = await freePort();
  await using far = await startSite({ name: 'far', port, elsewhere: { namespace, address: nearAddress } });
  const rttMs = await roundTripMs(farAddress, port);
  expect(rttMs).toBeGreaterThan(95);
  await using near = await startSite({
    name: 'near',
    config: {
      peers: { far: peerAt(`${farAddress}:${port}`) },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['far'] }],
    },
  });
  const startMs = performance.now();
  const layers = [10 * MIB, ...Array.from({ length: 10 }, () => 2 * MIB)];
  const large = await ship(near.client('local/large'), (target) => buildImage(target, '', 'v1', { layers }));
  const small = await pushMany(near.client('local/small'), { count: 20, ownBytes: 10_000 });
  await rest(near, 150_000);
  const seconds = (performance.now() - startMs) / 1000;
  const sentBytes = await near.metric('entrepot_replication_sent_bytes_total');
  const lost = await place.lostPackets();
  console.log(
    `by ${place.means}, ${rttMs.toFixed(0)} ms there and back, ${WAY.loss * 100} % loss (${lost} packets):`,
    `${(sentBytes / MIB).toFixed(1)} MiB in ${seconds.toFixed(1)} s`,
  );
  expect(lost).toBeGreaterThan(100);
  expect(sentBytes).toBeLessThan(30 * MIB + large.bytes.length + small.uniqueBytes + 10_000);
  expect(await pullWhole(far.client('local/large'), 'v1')).toEqual(
    [large.digest, large.config, ...large.layers].toSorted(),
  );
  for (const [tag, digest] of small.digests) expect(await digestAt(far, 'local/small', tag), tag).toBe(digest);
});
