import { expect, test } from 'vitest';
import { buildImage, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';

test('a manifest that lies about the size of a layer does not keep other repositories from pulling it', async () => {
  await using origin = await startOrigin();
  const good = buildImage(origin, 'library/good', 'v1', { layers: [50_000] });
  const types = IMAGE_MEDIA_TYPES.oci;
  const descriptor = (digest: string, size: number, mediaType: string) => ({ mediaType, digest, size });
  const lie = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptor(good.config, 7, types.config),
      layers: good.layers.map((layer) => descriptor(layer, 7, types.layer)),
    }),
  );
  origin.addManifest('someone/evil', 'v1', lie, types.manifest);
  await using mirror = await startMirror(origin, { config: { pull: { readAhead: false } } });

  expect((await fetch(`${mirror.url}/v2/someone/evil/manifests/v1`)).status).toBe(200);
  expect((await fetch(`${mirror.url}/v2/library/good/manifests/v1`)).status).toBe(200);
  for (const blob of [good.config, ...good.layers]) {
    const answer = await fetch(`${mirror.url}/v2/library/good/blobs/${blob}`);
    expect({ status: answer.status, digest: answer.headers.get('docker-content-digest') }).toEqual({
      status: 200,
      digest: blob,
    });
    expect((await answer.bytes()).length).toBeGreaterThan(7);
  }
});
