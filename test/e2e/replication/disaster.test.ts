import { expect, test } from 'vitest';
import type { Client } from '../../conformance/support/send.ts';
import { buildIndex } from '../../support/images.ts';
import { startOrigin } from '../../support/origin.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { pushImages } from '../support/push-images.ts';
import { imagesOfEachKind } from '../support/runnable-images.ts';
import { peerAt, type Site, startSite } from './support/site.ts';
import { arrival, rest } from './support/wait.ts';

const images = imagesOfEachKind('a far origin');
const CACHED = { name: 'cached', repositories: ['docker.io/**'] };

/** What a site has of the upstream, through the mirror's door. */
function mirrored(site: Site, repository: string): Client {
  return { url: site.mirrorUrl, user: undefined, repository };
}

const messages = Object.values(images).map(({ message }) => `${message}\n`);

/** Pulls each image by its tag and runs it. @returns what they print */
async function pullAndRun(dockerd: Dockerd): Promise<string[]> {
  const printed: string[] = [];
  for (const [tag, { root }] of Object.entries(images)) {
    const pulled = await dockerd.docker('pull', `app:${tag}`);
    if (!pulled.includes(`Digest: ${root.digest}`)) throw new Error(`not what was pushed:\n${pulled}`);
    printed.push(await dockerd.docker('run', '--rm', '--network', 'none', `app:${tag}`));
  }
  return printed;
}

test('docker pulls at the far site what was pulled at the near one, with the origin and the near site gone', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'library/app' }, images);
  // Tags are stale at once: the far site asks the origin, and does without it.
  const upstreams = { 'docker.io': { ...origin.upstream(), default: true, freshFor: '0' } };
  await using far = await startSite({ name: 'far', config: { upstreams } });
  await using near = await startSite({
    name: 'near',
    config: { upstreams, peers: { far: peerAt(far.host) }, replication: [{ ...CACHED, to: ['far'] }] },
  });
  {
    await using dockerd = await startDockerd(near.mirrorUrl);
    expect(await pullAndRun(dockerd)).toEqual(messages);
  }
  for (const [tag, { root }] of Object.entries(images)) await arrival(far, 'docker.io/library/app', tag, root.digest);
  await rest(near);
  await origin.takeBlobGets();

  await near.stop();
  await origin.stop();
  await using dockerd = await startDockerd(far.mirrorUrl);
  expect(await pullAndRun(dockerd)).toEqual(messages);
});

test('a pull at the far site that comes before the replica gets it from the near one, and from no origin', async () => {
  await using origin = await startOrigin();
  const options = { layers: [3_000_000, 20_000] };
  const index = buildIndex(origin, 'library/app', 'v1', options);
  const docker = { url: origin.url, default: true, freshFor: '0' };
  await using near = await startSite({ name: 'near', config: { upstreams: { 'docker.io': docker } } });
  const first = await pullWhole(mirrored(near, 'library/app'), 'v1');
  expect(first).toContain(index.digest);
  origin.resetCounts();

  await using far = await startSite({
    name: 'far',
    config: { upstreams: { 'docker.io': { ...docker, siblings: ['near'] } }, peers: { near: peerAt(near.host) } },
  });
  expect(await pullWhole(mirrored(far, 'library/app'), 'v1')).toEqual(first);
  // Where the tag points is the origin's word; all else comes from near.
  expect(origin.requests.map(({ path }) => path)).toEqual(['/v2/library/app/manifests/v1']);

  // Something else that near has, and the origin is gone.
  const second = buildIndex(origin, 'library/other', 'v2', { ...options, seed: 7 });
  await pullWhole(mirrored(near, 'library/other'), 'v2');
  await origin.stop();
  expect(await pullWhole(mirrored(far, 'library/other'), 'v2')).toContain(second.digest);
  await near.stop();
  expect(await pullWhole(mirrored(far, 'library/other'), 'v2')).toContain(second.digest);
});
