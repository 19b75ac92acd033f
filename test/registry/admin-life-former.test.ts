import { describe, expect, test } from 'vitest';
import type { PinStatus, PurgeTarget, RemovalReport, VerifyReport } from '../../src/registry/operations/operations.ts';
import { digestsOf, storeImage } from '../faults/support/built-images.ts';
import { type AdminDoor, administer, imagesOf } from '../faults/support/operator.ts';
import { type BuiltImage, buildImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const FORMER = 'former.example';
const NAME = `${FORMER}/team/app`;

interface Stage extends AsyncDisposable {
  readonly mirror: TestMirror;
  readonly image: BuiltImage;
}

/** A mirror that has a pinned image of an upstream which is no longer in its configuration. */
async function setStage(): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin());
  const folder = opened.use(await temporaryDirectory());
  const storage = { path: folder.path, minFree: 0 };
  const image = buildImage(origin, 'team/app', 'v1');
  await bringAndPin(origin, storage, image);
  const mirror = opened.use(await startMirror(origin, { config: { storage } }));
  const cleanup = opened.move();
  return { mirror, image, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

async function bringAndPin(origin: Origin, storage: object, image: BuiltImage): Promise<void> {
  const upstreams = { 'docker.io': { url: origin.url }, [FORMER]: { url: origin.url } };
  await using mirror = await startMirror(origin, { config: { storage, upstreams } });
  await storeImage(mirror, `/v2/${NAME}`, 'v1', image);
  await administer(mirror, 'POST', '/pins', { pattern: NAME });
}

function purge(door: AdminDoor, target: PurgeTarget, dryRun = false): Promise<RemovalReport> {
  return administer(door, 'POST', '/purge', { ...target, dryRun });
}

describe.concurrent('what is left of an upstream that is no longer configured', () => {
  test('is listed and verified', async () => {
    await using stage = await setStage();
    const { mirror, image } = stage;
    expect(await imagesOf(mirror, NAME)).toMatchObject([{ tags: ['v1'], digest: image.digest, isPinned: true }]);
    for (const request of [{ image: `${NAME}:v1` }, { image: `${NAME}@${image.digest}` }, { repository: NAME }]) {
      const report = await administer<VerifyReport>(mirror, 'POST', '/verify', request);
      expect(report).toMatchObject({ blobs: digestsOf(image).length, damaged: [], missing: [] });
    }
  });

  test.each<PurgeTarget>([{ image: `${NAME}:v1` }, { repository: NAME }, { upstream: FORMER }])(
    'is purged as %j',
    async (target) => {
      await using stage = await setStage();
      const { mirror, image } = stage;
      const removed = { imageCount: 1, blobs: digestsOf(image).length, pinned: 1 };
      expect(await purge(mirror, target, true)).toMatchObject(removed);
      expect(await purge(mirror, target)).toMatchObject(removed);
      await expect(purge(mirror, target)).rejects.toMatchObject({ status: 404 });
    },
  );

  test('loses its pins', async () => {
    await using stage = await setStage();
    const { mirror } = stage;
    await administer(mirror, 'DELETE', '/pins', { pattern: NAME });
    expect(await administer<{ pins: PinStatus[] }>(mirror, 'GET', '/pins')).toEqual({ pins: [] });
    expect(await imagesOf(mirror, NAME)).toMatchObject([{ isPinned: false }]);
    await expect(administer(mirror, 'DELETE', '/pins', { pattern: NAME })).rejects.toMatchObject({ status: 404 });
  });
});
