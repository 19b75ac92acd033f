import { describe, expect, test } from 'vitest';
import type { PinStatus, RepositoryStatus } from '../../src/registry/operations/operations.ts';
import { digestsOf, pullImage, storeImage } from '../faults/support/built-images.ts';
import { type AdminDoor, administer, evict, imagesOf, Refused, statusOf } from '../faults/support/operator.ts';
import { setStage } from '../faults/support/stage.ts';
import { storedDigests } from '../faults/support/stored-files.ts';
import { type BuiltImage, buildImage } from '../support/images.ts';
import type { Origin } from '../support/origin.ts';
import type { ImageStatus } from '../../src/registry/operations/operations.ts';

async function pinsOf(door: AdminDoor): Promise<string[]> {
  const { pins } = await administer<{ pins: PinStatus[] }>(door, 'GET', '/pins');
  return pins.map(({ pattern, origin }) => `${origin} ${pattern}`).toSorted();
}

function pin(door: AdminDoor, pattern: string): Promise<void> {
  return administer(door, 'POST', '/pins', { pattern });
}

function unpin(door: AdminDoor, pattern: string): Promise<void> {
  return administer(door, 'DELETE', '/pins', { pattern });
}

/** Publishes and pulls an image. */
async function bring(
  door: AdminDoor & { url: string },
  origin: Origin,
  name: string,
  tag: string,
): Promise<BuiltImage> {
  const image = buildImage(origin, name, tag, {
    seed: Math.floor(
      Number(
        `0x${Buffer.from(name + tag)
          .toString('hex')
          .slice(-8)}`,
      ),
    ),
  });
  await storeImage(door, `/v2/${name}`, tag, image);
  return image;
}

describe.concurrent('pins', () => {
  test('keep their images when everything else goes, after a restart too', async () => {
    await using stage = await setStage({ config: { pins: ['docker.io/team/**'] } });
    const { origin, mirror } = stage;
    const kept = [await bring(mirror, origin, 'library/debian', '12'), await bring(mirror, origin, 'team/a/b', 'v1')];
    const other = await bring(mirror, origin, 'library/debian', '11');
    await pin(mirror, 'debian:12');
    expect(await pinsOf(mirror)).toEqual(['config docker.io/team/**', 'operator docker.io/library/debian:12']);
    const pinned = (await imagesOf(mirror, 'docker.io/library/debian')).map(({ tags, isPinned }) => [
      tags[0],
      isPinned,
    ]);
    expect(Object.fromEntries(pinned)).toEqual({ 11: false, 12: true });
    await mirror.restart();
    expect(await pinsOf(mirror)).toEqual(['config docker.io/team/**', 'operator docker.io/library/debian:12']);
    const { disk } = await statusOf(mirror);
    expect(disk.pinnedBytes).toBeGreaterThan(0);
    expect(disk.pinnedBytes).toBeLessThan(disk.contentBytes);

    const report = await evict(mirror, 0);
    expect(report.images.map(({ digest }) => digest)).toEqual([other.digest]);
    expect(await storedDigests(mirror)).toEqual(kept.flatMap(digestsOf).toSorted());
  });

  test('are one by whatever name', async () => {
    await using stage = await setStage();
    const { mirror } = stage;
    for (const name of ['debian:12', 'library/debian:12', 'docker.io/debian:12', 'index.docker.io/library/debian:12']) {
      await pin(mirror, 'debian:12');
      await pin(mirror, name);
      expect(await pinsOf(mirror), name).toEqual(['operator docker.io/library/debian:12']);
      await unpin(mirror, name);
      expect(await pinsOf(mirror), name).toEqual([]);
    }
  });

  test('that are taken away keep nothing any more', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = await bring(mirror, origin, 'library/debian', '12');
    await pin(mirror, `debian@${image.digest}`);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(digestsOf(image).toSorted());
    await unpin(mirror, `docker.io/library/debian@${image.digest}`);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual([]);
  });

  test('of a tag that moves keep what it points at now', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    await bring(mirror, origin, 'library/debian', '12');
    await pin(mirror, 'debian:12');
    const moved = buildImage(origin, 'library/debian', '12', { seed: 77 });
    await storeImage(mirror, '/v2/debian', '12', moved);
    await evict(mirror, 0);
    expect(await storedDigests(mirror)).toEqual(digestsOf(moved).toSorted());
  });

  test('of the configuration cannot be taken away here, and those that are not there neither', async () => {
    await using stage = await setStage({ config: { pins: ['docker.io/library/debian:*'] } });
    const { mirror } = stage;
    for (const pattern of ['debian:*', 'alpine', 'docker.io/library/debian:*']) {
      const refusal = await unpin(mirror, pattern).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(Refused);
      expect(refusal).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    }
    expect(await pinsOf(mirror)).toEqual(['config docker.io/library/debian:*']);
  });

  test('are patterns of images that may be here', async () => {
    await using stage = await setStage();
    for (const [pattern, status] of [
      ['a b', 400],
      ['', 400],
      ['Debian', 400],
      ['unknown.example/app', 404],
    ] as const) {
      await expect(pin(stage.mirror, pattern), pattern).rejects.toMatchObject({ status });
    }
    expect(await pinsOf(stage.mirror)).toEqual([]);
  });
});

describe.concurrent('lists', () => {
  test('of repositories come in pages, with their sizes', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const names = ['library/alpine', 'library/debian', 'team/a', 'team/b', 'zeta/z'];
    for (const name of names) await bring(mirror, origin, name, 'v1');
    await bring(mirror, origin, 'team/a', 'v2');
    const page = async (query: string) => {
      const { repositories } = await administer<{ repositories: RepositoryStatus[] }>(
        mirror,
        'GET',
        `/repositories${query}`,
      );
      return repositories;
    };
    const all = await page('');
    expect(all.map(({ repository }) => repository)).toEqual(names.map((name) => `docker.io/${name}`));
    expect(all[2]).toMatchObject({ tags: 2, images: 2 });
    for (const { sizeBytes, usedAtMs = 0 } of all) {
      expect(sizeBytes).toBeGreaterThan(1000);
      expect(Math.abs(Date.now() - usedAtMs)).toBeLessThan(60_000);
    }
    const first = await page('?limit=2');
    const second = await page(`?limit=2&after=${first.at(-1)?.repository}`);
    const third = await page(`?limit=2&after=${second.at(-1)?.repository}`);
    expect([...first, ...second, ...third].map(({ repository }) => repository)).toEqual(
      all.map(({ repository }) => repository),
    );
    expect((await page('?prefix=docker.io/team/')).map(({ repository }) => repository)).toEqual([
      'docker.io/team/a',
      'docker.io/team/b',
    ]);
    expect((await page('?prefix=docker.io/team/&limit=1')).map(({ repository }) => repository)).toEqual([
      'docker.io/team/a',
    ]);
  });

  test('of images come in pages, each once', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const built: BuiltImage[] = [];
    for (const tag of ['v1', 'v2', 'v3', 'v4', 'v5']) built.push(await bring(mirror, origin, 'library/app', tag));
    origin.moveTag('library/app', 'latest', built[0]?.digest ?? '');
    await pullImage(mirror, '/v2/app', 'latest', built[0] ?? ({} as BuiltImage));
    const seen: ImageStatus[] = [];
    for (let pages = 0; pages < 10; pages++) {
      const last = seen.at(-1);
      const after = last ? `&after=${last.digest}` : '';
      const path = `/images?repository=docker.io/library/app&limit=2${after}`;
      const { images } = await administer<{ images: ImageStatus[] }>(mirror, 'GET', path);
      if (images.length === 0) break;
      seen.push(...images);
    }
    expect(seen.map(({ digest }) => digest)).toEqual(built.map(({ digest }) => digest).toSorted());
    expect(seen.find(({ digest }) => digest === built[0]?.digest)?.tags).toEqual(['latest', 'v1']);
    const sizes = seen.map(({ sizeBytes }) => sizeBytes);
    for (const size of sizes) expect(size).toBeGreaterThan(1000);
  });

  test('of the images of a repository take its short name too', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = await bring(mirror, origin, 'library/app', 'v1');
    for (const name of ['app', 'library/app', 'docker.io/app', 'docker.io/library/app']) {
      expect(
        (await imagesOf(mirror, name)).map(({ digest }) => digest),
        name,
      ).toEqual([image.digest]);
    }
  });
});
