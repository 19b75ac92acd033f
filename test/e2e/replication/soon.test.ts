import { expect, test } from 'vitest';
import { ship } from '../../conformance/support/push.ts';
import { buildImage } from '../../support/images.ts';
import { peerAt, startSite } from './support/site.ts';
import { arrival, rest } from './support/wait.ts';

const ROUNDS = 10;

test('a push of a small image is at an idle peer within a second', async () => {
  await using far = await startSite({ name: 'far' });
  await using near = await startSite({
    name: 'near',
    config: {
      peers: { far: peerAt(far.host) },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['far'] }],
    },
  });
  const took: number[] = [];
  for (let seed = 1; seed <= ROUNDS; seed++) {
    await rest(near);
    const image = await ship(near.client('local/app'), (target) => buildImage(target, '', 'latest', { seed }));
    const startMs = performance.now();
    await arrival(far, 'local/app', 'latest', image.digest);
    took.push(performance.now() - startMs);
  }
  const [median = Number.NaN] = took.toSorted((one, other) => one - other).slice(ROUNDS / 2);
  console.log(`from push to arrival: median ${median.toFixed(0)} ms, at most ${Math.max(...took).toFixed(0)} ms`);
  expect(median).toBeLessThan(1000);
});
