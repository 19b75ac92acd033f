import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sha256 } from '../support/bytes.ts';
import { startEntrepot } from '../support/entrepot.ts';
import { containersTools } from './support/containers-tools.ts';
import { startDockerRegistry } from './support/docker-registry.ts';
import { pushImages } from './support/push-images.ts';
import { digestsOf, imagesOfEachKind } from './support/runnable-images.ts';

const images = imagesOfEachKind('Quay');

/** The digests of what skopeo wrote into a `dir:`. */
async function digestsIn(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => name !== 'version');
  const digests = names.map(async (name) => sha256(await readFile(join(directory, name))));
  return (await Promise.all(digests)).toSorted();
}

test('skopeo sees the manifests of the origin byte for byte', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'team/app' }, images);
  await using mirror = await startEntrepot({ config: { upstreams: { 'quay.io': origin.upstream() } } });
  await using tools = await containersTools({ 'quay.io': `${new URL(mirror.url).host}/quay.io` });

  for (const [tag, { root }] of Object.entries(images)) {
    const raw = await tools.skopeo('inspect', '--raw', `docker://quay.io/team/app:${tag}`);
    expect(raw).toBe(root.bytes.toString());
    expect(await tools.skopeo('inspect', '--raw', `docker://quay.io/team/app@${root.digest}`)).toBe(raw);
  }
  const listed = await tools.skopeo(
    'list-tags',
    `docker://${new URL(mirror.url).host}/quay.io/team/app`,
    '--tls-verify=false',
  );
  const { Tags: tags } = JSON.parse(listed) as { Tags: string[] };
  // docker-registry 2.8 lists in no order.
  expect(tags.toSorted()).toEqual(Object.keys(images).toSorted());
});

test('skopeo copies images with all their platforms; the second time the origin is asked for no blob', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'team/app' }, images);
  await using mirror = await startEntrepot({ config: { upstreams: { 'quay.io': origin.upstream() } } });
  await using tools = await containersTools({ 'quay.io': `${new URL(mirror.url).host}/quay.io` });

  const asked: string[][] = [];
  for (let round = 1; round <= 2; round++) {
    for (const [tag, image] of Object.entries(images)) {
      const directory = tools.path(`${tag}-${round}`);
      await tools.skopeo('copy', '--all', '--preserve-digests', `docker://quay.io/team/app:${tag}`, `dir:${directory}`);
      expect(await digestsIn(directory)).toEqual(digestsOf(image));
    }
    asked.push(await origin.takeBlobGets());
  }
  const [first = [], second] = asked;
  expect(first.length).toBeGreaterThan(0);
  expect(first.toSorted()).toEqual([...new Set(first)].toSorted());
  expect(second).toEqual([]);
});

test('skopeo copies one platform of an image, and again while the origin is down', async () => {
  await using origin = await startDockerRegistry();
  await pushImages({ registry: origin, repository: 'team/app' }, images);
  const upstreams = { 'quay.io': { ...origin.upstream(), freshFor: '0' } };
  await using mirror = await startEntrepot({ config: { upstreams } });
  await using tools = await containersTools({ 'quay.io': `${new URL(mirror.url).host}/quay.io` });

  await tools.skopeo('copy', 'docker://quay.io/team/app:index', `oci:${tools.path('before')}:copy`);
  await origin.stop();
  await tools.skopeo('copy', 'docker://quay.io/team/app:index', `oci:${tools.path('after')}:copy`);
  const [child] = images['index']?.children ?? [];
  for (const name of ['before', 'after']) {
    const index = JSON.parse(await readFile(tools.path(`${name}/index.json`), 'utf8')) as {
      manifests: { digest: string }[];
    };
    expect(index.manifests.map(({ digest }) => digest)).toEqual([child?.digest]);
  }
});
