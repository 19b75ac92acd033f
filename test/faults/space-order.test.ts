import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildIndex } from '../support/images.ts';
import type { RemovalReport } from '../../src/registry/operations/operations.ts';
import type { TestMirror } from '../support/mirror.ts';
import { ask } from './support/ask.ts';
import { expectContent } from './support/expectations.ts';
import { administer, evict, imagesOf, settle, statusOf } from './support/operator.ts';
import { contentOf, head, type NamedImage, publish, publishSized, pull, pullBlob } from './support/pull.ts';
import { setStage, type Stage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const MIB = 1024 * 1024;
const OWN_BYTES = 200_000;
/** Uses are told apart by milliseconds. */
const APART_MS = 4;

/** Digests of all images, those first that would be evicted first. */
async function order({ mirror }: Stage): Promise<string[]> {
  await settle(mirror);
  return (await evict(mirror, 0, true)).images.map(({ digest }) => digest);
}

/** Publishes images of a repository each, and pulls them in order. */
async function pullThree({ origin, mirror }: Stage): Promise<[NamedImage, NamedImage, NamedImage]> {
  const publishAndPull = async (name: string) => {
    const image = publishSized(origin, name, 'v1', OWN_BYTES);
    await pull(mirror, image);
    await sleep(APART_MS);
    return image;
  };
  const images = [
    await publishAndPull('library/a'),
    await publishAndPull('library/b'),
    await publishAndPull('library/c'),
  ];
  return images as [NamedImage, NamedImage, NamedImage];
}

/** Makes so little room that one image is enough. */
async function evictOne({ mirror }: Stage): Promise<RemovalReport> {
  await settle(mirror);
  const { contentBytes, otherBytes } = (await statusOf(mirror)).disk;
  return evict(mirror, contentBytes + otherBytes - OWN_BYTES / 2);
}

function digestsOf(...images: NamedImage[]): string[] {
  return images.map(({ digest }) => digest);
}

describe('images go in the order of their last use', () => {
  test('which is that of their first pull if nobody came back', async () => {
    await using stage = await setStage();
    const images = await pullThree(stage);
    expect(await order(stage)).toEqual(digestsOf(...images));
  });

  test('which is that of a layer that was not here yet, too', async () => {
    await using stage = await setStage({ config: { pull: { readAhead: false } } });
    const { origin, mirror } = stage;
    const [first, second] = ['library/a', 'library/b'].map((name) => publishSized(origin, name, 'v1', OWN_BYTES));
    if (!first || !second) throw new Error('nothing was published');
    for (const { name } of [first, second]) {
      await ask(mirror, `/v2/${name}/manifests/v1`);
      await sleep(APART_MS);
    }
    await pullBlob(mirror, first.name, first.layers[0] ?? '');
    expect(await order(stage)).toEqual(digestsOf(second, first));
  });

  describe('and', () => {
    let shared: Stage;
    let images: NamedImage[];
    beforeAll(async () => {
      shared = await setStage();
      images = await pullThree(shared);
    });
    afterAll(() => shared[Symbol.asyncDispose]());

    test.each<[string, (mirror: TestMirror, image: NamedImage) => Promise<unknown>]>([
      ['a pull', pull],
      ['a HEAD of a tag', head],
      ['a HEAD by digest', (mirror, image) => head(mirror, { ...image, reference: image.digest })],
      ['a GET of a tag', (mirror, { name }) => ask(mirror, `/v2/${name}/manifests/v1`)],
      ['a GET by digest', (mirror, { name, digest }) => ask(mirror, `/v2/${name}/manifests/${digest}`)],
      ['a pull of a layer alone', (mirror, { name, layers }) => pullBlob(mirror, name, layers[0] ?? '')],
      ['a pull of a config alone', (mirror, { name, config }) => pullBlob(mirror, name, config)],
      [
        'a range of a layer',
        (mirror, { name, layers }) =>
          ask(mirror, `/v2/${name}/blobs/${layers[0]}`, { headers: { Range: 'bytes=5-9' } }),
      ],
      [
        'a HEAD of a layer',
        (mirror, { name, layers }) => ask(mirror, `/v2/${name}/blobs/${layers[0]}`, { method: 'HEAD' }),
      ],
    ])('%s counts as use', async (_, use) => {
      const [first, second, third] = await order(shared);
      const image = images.find(({ digest }) => digest === first);
      if (!image) throw new Error('it went');
      await sleep(APART_MS);
      await use(shared.mirror, image);
      await sleep(APART_MS);
      expect(await order(shared)).toEqual([second, third, first]);
    });
  });

  test('a pull while the upstream is down counts too', async () => {
    await using stage = await setStage();
    const [first, second, third] = await pullThree(stage);
    await stage.origin.stop();
    await pull(stage.mirror, first);
    expect(await order(stage)).toEqual(digestsOf(second, third, first));
  });

  test('also over a restart', async () => {
    await using stage = await setStage();
    const [first, second, third] = await pullThree(stage);
    await pullBlob(stage.mirror, first.name, first.layers[0] ?? '');
    await stage.mirror.restart();
    expect(await order(stage)).toEqual(digestsOf(second, third, first));
  });

  test('whether they have a tag or were pulled by digest', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const names = ['library/a', 'library/b', 'library/c'];
    const images = names.map((name) => publishSized(origin, name, name === 'library/b' ? 'v1' : undefined, 1000));
    for (const image of images) {
      await pull(mirror, image);
      await sleep(APART_MS);
    }
    const [first, second, third] = images;
    if (!first || !second || !third) throw new Error('no images');
    await pull(mirror, first);
    expect(await order(stage)).toEqual(digestsOf(second, third, first));
  });

  test('an operator who looks does not use them', async () => {
    await using stage = await setStage();
    const [first, second, third] = await pullThree(stage);
    const image = `docker.io/${first.name}:v1`;
    await imagesOf(stage.mirror, `docker.io/${first.name}`);
    await administer(stage.mirror, 'POST', '/verify', { image });
    await administer(stage.mirror, 'POST', '/refresh', { image });
    expect(await order(stage)).toEqual(digestsOf(first, second, third));
  });

  test('when new ones need their room', async () => {
    const storage = { path: './data', minFree: 0, quota: 6 * MIB };
    await using stage = await setStage({ config: { storage } });
    const { origin, mirror } = stage;
    const images = [1, 2, 3].map((n) => publishSized(origin, `library/app-${n}`, 'v1', 1.4 * MIB));
    for (const image of images) await pull(mirror, image);
    const [first, second, third] = images;
    const fourth = publishSized(origin, 'library/app-4', 'v1', 1.4 * MIB);
    if (!first || !second || !third) throw new Error('no images');
    await settle(mirror);
    await pullBlob(mirror, first.name, first.layers[0] ?? '');
    await pull(mirror, fourth);
    await settle(mirror);
    const stored = await storedDigests(mirror);
    expect(stored).toEqual(expect.arrayContaining(contentOf(first, fourth)));
    for (const digest of contentOf(second)) expect(stored).not.toContain(digest);
    await origin.stop();
    for (const image of [first, fourth]) await pull(mirror, image);
  });
});

describe('an image goes as a whole', () => {
  test('but not the layers that others have', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const base = seededBytes(OWN_BYTES, 'base');
    const own = (name: string) => publish(origin, name, 'v1', [base, seededBytes(OWN_BYTES, name)]);
    const [old, young, other] = [own('library/old'), own('library/young'), own('library/other')];
    for (const image of [old, other, young]) {
      await pull(mirror, image);
      await sleep(APART_MS);
    }
    const report = await evictOne(stage);
    expect(report.images.map(({ digest }) => digest)).toEqual([old.digest]);
    expect(report.blobs).toBe(3);
    expect(await storedDigests(mirror)).toEqual(contentOf(young, other));
    await origin.stop();
    await pull(mirror, young);
    await pull(mirror, other);
  });

  test('with all of an index, which one of its images keeps young', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/multi', 'v1', { layers: [OWN_BYTES] });
    const getIndex = async () => expectContent(await ask(mirror, '/v2/library/multi/manifests/v1'), index.digest);
    const parts = index.images.map((image) => ({ ...image, name: 'library/multi', reference: image.digest }));
    await getIndex();
    for (const part of parts) await pull(mirror, part);
    await sleep(APART_MS);
    const young = publishSized(origin, 'library/young', 'v1', OWN_BYTES);
    await pull(mirror, young);
    await sleep(APART_MS);
    const [, arm] = parts;
    if (!arm) throw new Error('no images');
    await pullBlob(mirror, 'library/multi', arm.layers[0] ?? '');
    expect(await order(stage)).toEqual([young.digest, index.digest]);
    await sleep(APART_MS);
    await pull(mirror, young);
    expect(await order(stage)).toEqual([index.digest, young.digest]);
    await evictOne(stage);
    expect(await storedDigests(mirror)).toEqual(contentOf(young));
  });

  test('and comes back when it is asked for', async () => {
    await using stage = await setStage();
    const [first] = await pullThree(stage);
    await settle(stage.mirror);
    await evict(stage.mirror, 0);
    expect(await storedDigests(stage.mirror)).toEqual([]);
    await stage.origin.stop();
    expect((await ask(stage.mirror, `/v2/${first.name}/manifests/v1`)).status).toBe(502);
    await stage.origin.restart();
    await expect.poll(async () => (await head(stage.mirror, first)).status, { timeout: 6000 }).toBe(200);
    await pull(stage.mirror, first);
  });
});

describe('a tag that moves upstream', () => {
  test('leaves what it pointed at to age out, and what it points at stays', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const old = publish(origin, 'library/app', 'v1', [seededBytes(OWN_BYTES, 'old')]);
    await pull(mirror, old);
    await sleep(APART_MS);
    const middle = publishSized(origin, 'library/middle', 'v1', OWN_BYTES);
    await pull(mirror, middle);
    await sleep(APART_MS);
    const moved = publish(origin, 'library/app', 'v1', [seededBytes(OWN_BYTES, 'new')]);
    await pull(mirror, moved);
    const tags = async () => {
      const images = await imagesOf(mirror, 'docker.io/library/app');
      return new Map(images.map((image) => [image.digest, image.tags]));
    };
    expect(await tags()).toEqual(
      new Map([
        [old.digest, []],
        [moved.digest, ['v1']],
      ]),
    );
    expect(await order(stage)).toEqual(digestsOf(old, middle, moved));
    await evictOne(stage);
    expect(await storedDigests(mirror)).toEqual(contentOf(middle, moved));
    await origin.stop();
    await pull(mirror, moved);
  });
});
