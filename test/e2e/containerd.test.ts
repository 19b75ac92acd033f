import { expect, test } from 'vitest';
import { startEntrepot } from '../support/entrepot.ts';
import { startContainerd } from './support/containerd.ts';
import { type DockerRegistry, startDockerRegistry } from './support/docker-registry.ts';
import { pushImages } from './support/push-images.ts';
import { digestsOf, imagesOfEachKind } from './support/runnable-images.ts';

const hub = imagesOfEachKind('Docker Hub');
const ghcr = imagesOfEachKind('GitHub');

/** Two origins with the same repository and tags, but other bytes; the second one gives tokens without a login. */
async function startOrigins(): Promise<{ docker: DockerRegistry; github: DockerRegistry } & AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const docker = started.use(await startDockerRegistry());
  const github = started.use(await startDockerRegistry({ anonymousPull: true }));
  await pushImages({ registry: docker, repository: 'team/app' }, hub);
  await pushImages({ registry: github, repository: 'team/app' }, ghcr);
  const kept = started.move();
  return { docker, github, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function upstreamsOf(origins: { docker: DockerRegistry; github: DockerRegistry }, freshFor: string): object {
  return {
    'docker.io': { ...origins.docker.upstream(), default: true, freshFor },
    'ghcr.io': { ...origins.github.upstream('anonymous'), freshFor },
  };
}

test('containerd pulls the same name from two registries through one mirror, and gets what each one has', async () => {
  await using origins = await startOrigins();
  await using mirror = await startEntrepot({ config: { upstreams: upstreamsOf(origins, '5m') } });
  await using containerd = await startContainerd(mirror.url);

  for (const [registry, images] of Object.entries({ 'docker.io': hub, 'ghcr.io': ghcr })) {
    for (const [tag, image] of Object.entries(images)) {
      const reference = `${registry}/team/app:${tag}`;
      await containerd.pull(reference, 'all');
      expect(await containerd.digestOf(reference)).toBe(image.root.digest);
      expect((await containerd.contentDigests()).toSorted()).toEqual(digestsOf(image));
      await containerd.remove(reference);
      const byDigest = `${registry}/team/app@${image.root.digest}`;
      await containerd.pull(byDigest);
      expect(await containerd.digestOf(byDigest)).toBe(image.root.digest);
      await containerd.remove(byDigest);
    }
  }
});

test('containerd pulls a second time, and the origins are asked for no blob', async () => {
  await using origins = await startOrigins();
  await using mirror = await startEntrepot({ config: { upstreams: upstreamsOf(origins, '5m') } });
  await using containerd = await startContainerd(mirror.url);

  const asked: string[][] = [];
  for (let round = 1; round <= 2; round++) {
    for (const registry of ['docker.io', 'ghcr.io']) {
      for (const tag of Object.keys(hub)) {
        await containerd.pull(`${registry}/team/app:${tag}`, 'all');
        await containerd.remove(`${registry}/team/app:${tag}`);
      }
    }
    asked.push(await origins.docker.takeBlobGets(), await origins.github.takeBlobGets());
  }
  const [fromDocker = [], fromGithub = [], ...later] = asked;
  const digests = [...fromDocker, ...fromGithub].map((path) => path.split('/').at(-1) ?? '');
  expect(digests.length).toBeGreaterThan(0);
  expect(digests.toSorted()).toEqual([...new Set(digests)].toSorted());
  expect(later).toEqual([[], []]);
});

test('containerd pulls what was pulled before while the origins are down, though the tags are stale', async () => {
  await using origins = await startOrigins();
  await using mirror = await startEntrepot({ config: { upstreams: upstreamsOf(origins, '0') } });
  await using containerd = await startContainerd(mirror.url);
  const references = ['docker.io/team/app:index', 'ghcr.io/team/app:index'];
  for (const reference of references) {
    await containerd.pull(reference, 'all');
    await containerd.remove(reference);
  }

  await Promise.all([origins.docker.stop(), origins.github.stop()]);
  for (const reference of references) await containerd.pull(reference, 'all');
  expect(await containerd.digestOf('docker.io/team/app:index')).toBe(hub['index']?.root.digest);
  expect(await containerd.digestOf('ghcr.io/team/app:index')).toBe(ghcr['index']?.root.digest);
});
