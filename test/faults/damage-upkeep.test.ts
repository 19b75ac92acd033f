import { readFile, rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { VerifyReport } from '../../src/registry/operations/operations.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { buildIndex } from '../support/images.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { administer, metric, Refused, settle, statusOf } from './support/operator.ts';
import { contentOf, publish, publishSized, pull, pullBlob } from './support/pull.ts';
import { setStage, type Stage } from './support/stage.ts';
import { fileOf, quarantinedFiles, rot, storedDigests, VISIBLE_DAMAGE } from './support/stored-files.ts';

const SIZE = 100_000;

function verify({ mirror }: Stage, request: object): Promise<VerifyReport> {
  return administer(mirror, 'POST', '/verify', request);
}

/** A round from its beginning to its end. */
async function scrub({ mirror }: Stage): Promise<void> {
  const { completedAtMs: before } = (await statusOf(mirror)).scrub;
  await administer(mirror, 'POST', '/scrub', {});
  await expect
    .poll(async () => {
      const { isRunning, completedAtMs } = (await statusOf(mirror)).scrub;
      return !isRunning && completedAtMs !== before;
    })
    .toBe(true);
}

async function expectHealed({ mirror }: Stage, ...digests: string[]): Promise<void> {
  const read = async (digest: string) => sha256(await readFile(fileOf(mirror, digest)).catch(() => Buffer.from('')));
  await expect.poll(() => Promise.all(digests.map(read)), { timeout: 3000 }).toEqual(digests);
}

async function setImages() {
  const stage = await setStage({ config: { pull: { readAhead: false, hotManifests: 0 } } });
  const { origin, mirror } = stage;
  const image = publishSized(origin, 'library/app', 'v1', SIZE);
  const other = publishSized(origin, 'library/other', 'v1', SIZE);
  for (const each of [image, other]) await pull(mirror, each);
  await settle(mirror);
  const [layer = ''] = image.layers;
  const [otherLayer = ''] = other.layers;
  return { ...stage, image, layer, other, otherLayer };
}

describe('a scrub', () => {
  test('finds what rotted and what is gone, and fetches it again', async () => {
    await using stage = await setImages();
    const { origin, mirror, image, layer, other, otherLayer } = stage;
    await rot(fileOf(mirror, layer));
    await rot(fileOf(mirror, other.digest));
    await rm(fileOf(mirror, otherLayer));
    await scrub(stage);
    await expectHealed(stage, layer, other.digest, otherLayer);
    expect(await quarantinedFiles(mirror)).toHaveLength(2);
    expect(await metric(mirror, 'entrepot_lost_content_total', { noticed: 'scrub' })).toBe(3);
    await expect.poll(() => metric(mirror, 'entrepot_healed_content_total', { result: 'healed' })).toBe(3);
    expect(await metric(mirror, 'entrepot_scrubbed_bytes_total')).toBeGreaterThan(SIZE);
    await settle(mirror);
    expect(await storedDigests(mirror)).toEqual(contentOf(image, other));
    await origin.stop();
    for (const each of [image, other]) await pull(mirror, each);
  });

  test('that a restart interrupts goes on after it, though it had only begun', async () => {
    const config = { pull: { readAhead: false }, scrub: { rate: '150KiB/s' } };
    await using stage = await setStage({ config });
    const { origin, mirror } = stage;
    const image = publishSized(origin, 'library/app', 'v1', SIZE);
    await pull(mirror, image);
    await settle(mirror);
    for (const layer of image.layers) await rot(fileOf(mirror, layer));
    await administer(mirror, 'POST', '/scrub', {});
    await mirror.restart();
    const scrubbed = async () => (await statusOf(mirror)).scrub;
    await expect.poll(async () => (await scrubbed()).completedAtMs, { timeout: 10_000 }).toBeDefined();
    await expectHealed(stage, ...image.layers);
    expect((await scrubbed()).isRunning).toBe(false);
  });

  test('of what is whole changes nothing and asks nobody', async () => {
    await using stage = await setImages();
    const { origin, mirror, image, other } = stage;
    origin.resetCounts();
    await scrub(stage);
    await scrub(stage);
    expect(origin.requests).toEqual([]);
    expect(await storedDigests(mirror)).toEqual(contentOf(image, other));
    expect(await metric(mirror, 'entrepot_lost_content_total')).toBe(0);
  });

  test('while the upstream is down keeps no wrong byte, and the next pull brings the right ones', async () => {
    await using stage = await setImages();
    const { origin, mirror, image, layer } = stage;
    origin.fault({}, { kind: 'status', status: 403 });
    await rot(fileOf(mirror, layer));
    await scrub(stage);
    expect(await storedDigests(mirror)).not.toContain(layer);
    await expect.poll(() => metric(mirror, 'entrepot_healed_content_total', { result: 'failed' })).toBe(1);
    expect((await ask(mirror, `/v2/library/app/blobs/${layer}`)).status).not.toBe(200);
    origin.clearFaults();
    await pull(mirror, image);
    await expectHealed(stage, layer);
  });

  test('finds every kind of damage', async () => {
    await using stage = await setStage({ config: { pull: { readAhead: false } } });
    const { origin, mirror } = stage;
    const bytes = VISIBLE_DAMAGE.map(({ name }) => seededBytes(SIZE, name));
    const image = publish(origin, 'library/app', 'v1', bytes);
    await pull(mirror, image);
    await settle(mirror);
    for (const [n, { befall }] of VISIBLE_DAMAGE.entries()) await befall(fileOf(mirror, image.layers[n] ?? ''));
    await scrub(stage);
    await expectHealed(stage, ...image.layers);
    expect(await metric(mirror, 'entrepot_lost_content_total', { noticed: 'scrub' })).toBe(VISIBLE_DAMAGE.length);
  });
});

describe('verifying', () => {
  test('an image looks at its parts only, and says what it did', async () => {
    await using stage = await setImages();
    const { mirror, image, layer, other, otherLayer } = stage;
    await rot(fileOf(mirror, layer));
    await rm(fileOf(mirror, image.config));
    await rot(fileOf(mirror, otherLayer));
    const report = await verify(stage, { image: 'library/app:v1' });
    expect(report).toMatchObject({ blobs: 3, blobsDone: 3, damaged: [layer], missing: [image.config] });
    expect(report.healed.toSorted()).toEqual([layer, image.config].toSorted());
    await expectHealed(stage, layer, image.config);
    const rest = await verify(stage, {});
    expect(rest).toMatchObject({ blobs: 6, blobsDone: 6, damaged: [otherLayer], missing: [], healed: [otherLayer] });
    await pull(mirror, other);
    expect(await verify(stage, {})).toMatchObject({ damaged: [], missing: [], healed: [] });
  });

  test('a repository goes through all its images, those of an index too', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const index = buildIndex(origin, 'library/multi', 'v1');
    expectContent(await ask(mirror, '/v2/library/multi/manifests/v1'), index.digest);
    const parts = index.images.map((image) => ({ ...image, name: 'library/multi', reference: image.digest }));
    for (const part of parts) await pull(mirror, part);
    await settle(mirror);
    const damaged = [index.digest, parts[1]?.digest ?? '', parts[0]?.layers[0] ?? ''];
    for (const digest of damaged) await rot(fileOf(mirror, digest));
    const report = await verify(stage, { repository: 'docker.io/library/multi' });
    expect({ ...report, damaged: report.damaged.toSorted(), healed: report.healed.toSorted() }).toMatchObject({
      blobs: 7,
      damaged: damaged.toSorted(),
      missing: [],
      healed: damaged.toSorted(),
    });
    await expectHealed(stage, ...damaged);
  });

  test('says what it could not fetch again, and never serves it', async () => {
    await using stage = await setImages();
    const { origin, mirror, layer } = stage;
    await rot(fileOf(mirror, layer));
    origin.deleteBlob(layer);
    expect(await verify(stage, { image: 'library/app:v1' })).toMatchObject({ damaged: [layer], healed: [] });
    expect((await ask(mirror, `/v2/library/app/blobs/${layer}`)).status).toBeGreaterThanOrEqual(400);
    await origin.stop();
    expectError(await ask(mirror, `/v2/library/app/blobs/${layer}`), [404, ...GATEWAY_ERRORS]);
  });

  test('heals with what the upstream sends only if that is right', async () => {
    await using stage = await setImages();
    const { origin, mirror, layer } = stage;
    await rot(fileOf(mirror, layer));
    origin.fault({ path: '/blobs/', method: 'GET' }, { kind: 'corrupt' });
    expect(await verify(stage, { image: 'library/app:v1' })).toMatchObject({ damaged: [layer], healed: [] });
    expect(await storedDigests(mirror)).not.toContain(layer);
    origin.clearFaults();
    await pullBlob(mirror, 'library/app', layer);
  });

  test('what is not here is an error', async () => {
    await using stage = await setImages();
    await expect(verify(stage, { image: 'library/unknown:v1' })).rejects.toThrow(Refused);
  });
});
