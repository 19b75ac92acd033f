import { expect, test } from 'vitest';
import { startEntrepot } from '../support/entrepot.ts';
import { startDockerRegistry } from './support/docker-registry.ts';
import { startDockerd } from './support/dockerd.ts';
import { pushImages } from './support/push-images.ts';
import { imagesOfEachKind } from './support/runnable-images.ts';

const images = imagesOfEachKind('Docker Hub');

test('docker pulls each kind of image by tag and runs it; the second time the origin is asked for no blob', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'library/app' }, images);
  const upstreams = { 'docker.io': { ...origin.upstream(), default: true } };
  await using mirror = await startEntrepot({ config: { upstreams } });
  await using dockerd = await startDockerd(mirror.url);

  const asked: string[][] = [];
  for (let round = 1; round <= 2; round++) {
    for (const [tag, image] of Object.entries(images)) {
      const pulled = await dockerd.docker('pull', `app:${tag}`);
      expect(pulled).toContain(`Digest: ${image.root.digest}`);
      const printed = await dockerd.docker('run', '--rm', '--network', 'none', `app:${tag}`);
      expect(printed).toBe(`${image.message}\n`);
      await dockerd.docker('image', 'rm', `app:${tag}`);
    }
    asked.push(await origin.takeBlobGets());
  }
  const [first = [], second] = asked;
  expect(first.length).toBeGreaterThan(0);
  expect(first.toSorted()).toEqual([...new Set(first)].toSorted());
  expect(second).toEqual([]);
});

test('docker pulls by digest', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'team/app' }, images);
  const upstreams = { 'docker.io': { ...origin.upstream(), default: true } };
  await using mirror = await startEntrepot({ config: { upstreams } });
  await using dockerd = await startDockerd(mirror.url);

  for (const { root, message } of Object.values(images)) {
    const reference = `team/app@${root.digest}`;
    await dockerd.docker('pull', reference);
    expect(await dockerd.docker('run', '--rm', '--network', 'none', reference)).toBe(`${message}\n`);
  }
});

test('docker pulls what was pulled before while the origin is down, though the tags are stale', async () => {
  await using origin = await startDockerRegistry({ anonymousPull: true });
  await pushImages({ registry: origin, repository: 'library/app' }, images);
  const upstreams = { 'docker.io': { ...origin.upstream('anonymous'), default: true, freshFor: '0' } };
  await using mirror = await startEntrepot({ config: { upstreams } });
  await using dockerd = await startDockerd(mirror.url);
  for (const tag of Object.keys(images)) await dockerd.docker('pull', `app:${tag}`);
  await dockerd.docker('image', 'prune', '--all', '--force');
  expect(await dockerd.docker('image', 'ls', '--quiet')).toBe('');

  await origin.stop();
  for (const [tag, { root, message }] of Object.entries(images)) {
    await dockerd.docker('pull', `app:${tag}`);
    expect(await dockerd.docker('run', '--rm', '--network', 'none', `app:${tag}`)).toBe(`${message}\n`);
    await dockerd.docker('pull', `app@${root.digest}`);
  }
});
