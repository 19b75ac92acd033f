import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { download } from '../support/download.ts';
import { buildImage, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';

test('an upstream without Range that breaks each time is not asked for ever', async () => {
  await using origin = await startOrigin({ ranges: false });
  const digest = origin.addBlob(seededBytes(200_000, 'breaks'));
  origin.fault({ path: digest }, { kind: 'truncate', afterBytes: 100_000 });
  await using mirror = await startMirror(origin);
  const answer = await download(`${mirror.url}/v2/library/app/blobs/${digest}`);
  expect(answer.isComplete).toBe(false);
  expect(origin.requestCount({ path: digest })).toBeLessThan(12);
});

test('a body without a length that ends before the size in the descriptor is no reason to ask again at once', async () => {
  await using origin = await startOrigin();
  const image = buildImage(origin, 'library/app', 'v1', { layers: [50_000] });
  const [layer = ''] = image.layers;
  const types = IMAGE_MEDIA_TYPES.oci;
  origin.addManifest(
    'library/app',
    'lie',
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, digest: image.config, size: 2 },
      layers: [{ mediaType: types.layer, digest: layer, size: 60_000 }],
    },
    types.manifest,
  );
  origin.fault({ path: layer }, { kind: 'noLength' });
  await using mirror = await startMirror(origin, { config: { pull: { readAhead: false } } });
  await fetch(`${mirror.url}/v2/library/app/manifests/lie`);
  const answer = await download(`${mirror.url}/v2/library/app/blobs/${layer}`);
  expect(answer.isComplete && answer.status === 200).toBe(false);
  await delay(300);
  expect(origin.requestCount({ path: layer })).toBeLessThan(12);
});

test('a tag does not go back to what a HEAD had told before a newer GET', async () => {
  await using origin = await startOrigin();
  const before = buildImage(origin, 'library/app', 'v1', { seed: 1 });
  await using mirror = await startMirror(origin, { upstream: { freshFor: '1h' } });
  const manifests = `${mirror.url}/v2/library/app/manifests`;
  await fetch(`${manifests}/v1`, { method: 'HEAD' });
  const after = buildImage(origin, 'library/app', 'v1', { seed: 2 });
  expect((await fetch(`${manifests}/v1`)).headers.get('docker-content-digest')).toBe(after.digest);
  expect((await fetch(`${manifests}/${before.digest}`)).status).toBe(200);
  expect((await fetch(`${manifests}/v1`)).headers.get('docker-content-digest')).toBe(after.digest);
});
