import { expect, test } from 'vitest';
import { buildImage, type BuiltImage, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { type TestMirror, startMirror } from '../support/mirror.ts';
import { type Origin, startOrigin } from '../support/origin.ts';

/** Adds a manifest `someone/evil:v1` which names the blobs of an image with a size that is not theirs. */
function addLie(origin: Origin, image: BuiltImage): void {
  const types = IMAGE_MEDIA_TYPES.oci;
  const descriptor = (digest: string, mediaType: string) => ({ mediaType, digest, size: 7 });
  const lie = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(image.config, types.config),
    layers: image.layers.map((layer) => descriptor(layer, types.layer)),
  };
  origin.addManifest('someone/evil', 'v1', Buffer.from(JSON.stringify(lie)), types.manifest);
}

async function expectPulled(mirror: TestMirror, image: BuiltImage): Promise<void> {
  for (const blob of [...image.layers, image.config]) {
    const answer = await fetch(`${mirror.url}/v2/library/good/blobs/${blob}`);
    const { status, headers } = answer;
    expect({ status, digest: headers.get('docker-content-digest') }).toEqual({ status: 200, digest: blob });
    expect((await answer.bytes()).length).toBeGreaterThan(7);
  }
}

test('a manifest that lies about the size of a layer does not keep other repositories from pulling it', async () => {
  await using origin = await startOrigin();
  const good = buildImage(origin, 'library/good', 'v1', { layers: [50_000] });
  addLie(origin, good);
  await using mirror = await startMirror(origin, { config: { pull: { readAhead: false } } });
  expect((await fetch(`${mirror.url}/v2/someone/evil/manifests/v1`)).status).toBe(200);
  expect((await fetch(`${mirror.url}/v2/library/good/manifests/v1`)).status).toBe(200);
  await expectPulled(mirror, good);
});

test('nor does it while somebody pulls the layer by way of the lie', async () => {
  await using origin = await startOrigin();
  const good = buildImage(origin, 'library/good', 'v1', { layers: [50_000] });
  addLie(origin, good);
  await using mirror = await startMirror(origin, { config: { pull: { readAhead: false } } });
  expect((await fetch(`${mirror.url}/v2/someone/evil/manifests/v1`)).status).toBe(200);
  expect((await fetch(`${mirror.url}/v2/library/good/manifests/v1`)).status).toBe(200);

  const [layer = ''] = good.layers;
  origin.fault({ method: 'GET', path: layer }, { kind: 'delay', ms: 300 }, { times: 1 });
  const evil = fetch(`${mirror.url}/v2/someone/evil/blobs/${layer}`);
  await origin.waitForRequests({ method: 'GET', path: layer });
  await expectPulled(mirror, good);
  await (await evil).bytes().catch(() => undefined);
});
