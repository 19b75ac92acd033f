import { expect, test } from 'vitest';
import type { DiffReport } from '../../../src/replication/replication-operations.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { pushMany } from './support/push-many.ts';
import { peerAt, startSite } from './support/site.ts';
import { digestAt, rest } from './support/wait.ts';

const TAGS = 500;
const KIB = 1024;

test('500 tags that share layers: each byte is sent once', async () => {
  await using far = await startSite({ name: 'far' });
  await using near = await startSite({
    name: 'near',
    config: {
      peers: { far: peerAt(far.host) },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['far'] }],
    },
  });
  await runJsonCommand(near.adminUrl, 'replication', 'pause');
  const shared = { count: 20, sizeBytes: 512 * KIB, perImage: 4 };
  const images = await pushMany(near.client('local/app'), { count: TAGS, ownBytes: 2 * KIB, shared });
  expect((await near.link('far')).isPaused).toBe(true);
  expect(await far.metric('entrepot_pushed_bytes_total')).toBe(0);

  const startMs = performance.now();
  await runJsonCommand(near.adminUrl, 'replication', 'resume');
  await rest(near, 120_000);
  const seconds = (performance.now() - startMs) / 1000;
  const sentBytes = await near.metric('entrepot_replication_sent_bytes_total');
  const receivedBytes = await far.metric('entrepot_pushed_bytes_total');
  const { uniqueBytes } = images;
  console.log(
    `${TAGS} tags in ${seconds.toFixed(1)} s: ${uniqueBytes} unique bytes, sent ${(sentBytes / uniqueBytes).toFixed(4)}`,
    `times, received ${(receivedBytes / uniqueBytes).toFixed(4)} times`,
  );
  expect(sentBytes).toBeGreaterThanOrEqual(uniqueBytes);
  expect(sentBytes / uniqueBytes).toBeLessThanOrEqual(1.02);
  expect(receivedBytes / uniqueBytes).toBeLessThanOrEqual(1.02);

  for (const [tag, digest] of images.digests) expect(await digestAt(far, 'local/app', tag)).toBe(digest);
  for (const tag of ['t0', `t${TAGS - 1}`]) {
    expect(await pullWhole(far.client('local/app'), tag)).toEqual(await pullWhole(near.client('local/app'), tag));
  }
  const diff = await runJsonCommand<DiffReport>(near.adminUrl, 'replication', 'diff', 'far');
  expect(diff).toMatchObject({ same: TAGS, differenceCount: 0 });
});
