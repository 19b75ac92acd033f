import { expect, test } from 'vitest';
import { runJsonCommand } from '../support/run-command.ts';
import { pushMany } from './support/push-many.ts';
import { peerAt, startSite } from './support/site.ts';
import { rest } from './support/wait.ts';
import { Wire } from './support/wire.ts';

const MIB = 1024 * 1024;
const CAP = 8 * MIB;

/** Large blobs and small ones, manifests too, all together 64 MiB. Of small ones alone the latency is the limit. */
const LARGE = { count: 42, ownBytes: 1.5 * MIB, seed: 'large' };
const SMALL = { count: 12, ownBytes: 64 * 1024, seed: 'small' };

test.each([
  { whose: 'a peer', peer: { bandwidth: '8MiB/s' }, rule: {} },
  { whose: 'a rule', peer: {}, rule: { bandwidth: '8MiB/s' } },
])('the bandwidth of $whose holds for all bytes, and is used', async ({ whose, peer, rule }) => {
  await using far = await startSite({ name: 'far' });
  await using wire = await Wire.start(far.host);
  await using near = await startSite({
    name: 'near',
    config: {
      peers: { far: peerAt(wire.host, peer) },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['far'], ...rule }],
    },
  });
  await runJsonCommand(near.adminUrl, 'replication', 'pause');
  // Both kinds are there at once, in turns.
  await Promise.all([pushMany(near.client('local/large'), LARGE), pushMany(near.client('local/small'), SMALL)]);
  wire.reset();
  await runJsonCommand(near.adminUrl, 'replication', 'resume');
  await rest(near);
  const bytesPerSecond = wire.sentBytes / wire.seconds;
  const share = bytesPerSecond / CAP;
  console.log(
    `bandwidth of ${whose}: ${(wire.sentBytes / MIB).toFixed(1)} MiB in ${wire.seconds.toFixed(2)} s:`,
    `${(bytesPerSecond / MIB).toFixed(2)} MiB/s of 8, ${share.toFixed(3)}`,
  );
  expect(wire.sentBytes).toBeGreaterThan(await near.metric('entrepot_replication_sent_bytes_total'));
  expect(share).toBeLessThanOrEqual(1.05);
  expect(share).toBeGreaterThanOrEqual(0.85);
});
