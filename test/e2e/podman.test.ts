import { expect, test } from 'vitest';
import { startEntrepot } from '../support/entrepot.ts';
import { containersTools } from './support/containers-tools.ts';
import { startDockerRegistry } from './support/docker-registry.ts';
import { pushImages } from './support/push-images.ts';
import { imagesOfEachKind } from './support/runnable-images.ts';

const images = imagesOfEachKind('GitHub');

test('podman pulls with the registry first in the path; the second time the origin is asked for no blob', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'team/app' }, images);
  await using mirror = await startEntrepot({ config: { upstreams: { 'ghcr.io': origin.upstream() } } });
  await using tools = await containersTools({ 'ghcr.io': `${new URL(mirror.url).host}/ghcr.io` });

  const asked: string[][] = [];
  for (let round = 1; round <= 2; round++) {
    for (const [tag, { root }] of Object.entries(images)) {
      for (const reference of [`ghcr.io/team/app:${tag}`, `ghcr.io/team/app@${root.digest}`]) {
        await tools.podman('pull', '--quiet', reference);
        const digest = await tools.podman('image', 'inspect', '--format', '{{.Digest}}', reference);
        expect(digest.trim()).toBe(root.digest);
        await tools.podman('image', 'rm', '--all', '--force');
      }
    }
    asked.push(await origin.takeBlobGets());
  }
  const [first = [], second] = asked;
  expect(first.length).toBeGreaterThan(0);
  expect(first.toSorted()).toEqual([...new Set(first)].toSorted());
  expect(second).toEqual([]);
});

test('podman pulls what was pulled before while the origin is down, though the tags are stale', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'library/app' }, images);
  const upstreams = { 'docker.io': { ...origin.upstream(), freshFor: '0' } };
  await using mirror = await startEntrepot({ config: { upstreams } });
  await using tools = await containersTools({ 'docker.io': `${new URL(mirror.url).host}/docker.io` });
  for (const tag of Object.keys(images)) await tools.podman('pull', '--quiet', `docker.io/library/app:${tag}`);
  await tools.podman('image', 'rm', '--all', '--force');

  await origin.stop();
  for (const [tag, { root }] of Object.entries(images)) {
    const reference = `docker.io/library/app:${tag}`;
    await tools.podman('pull', '--quiet', reference);
    const digest = await tools.podman('image', 'inspect', '--format', '{{.Digest}}', reference);
    expect(digest.trim()).toBe(root.digest);
  }
});
