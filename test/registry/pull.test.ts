import { describe, expect, test } from 'vitest';
import { buildImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';

describe('pulling an image', () => {
  test('a manifest and its blobs come from the origin once and are then served without it', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer', anonymous: true } });
    const image = buildImage(origin, 'library/app', 'v1', { layers: [100_000, 3_000_000], seed: 1 });
    await using mirror = await startMirror(origin);

    for (const round of ['cold', 'warm', 'offline']) {
      if (round === 'offline') await origin.stop();
      const manifest = await fetch(`${mirror.url}/v2/library/app/manifests/v1`);
      expect(manifest.status, round).toBe(200);
      expect(manifest.headers.get('docker-content-digest')).toBe(image.digest);
      for (const layer of image.layers) {
        const blob = await fetch(`${mirror.url}/v2/library/app/blobs/${layer}`);
        expect(blob.status).toBe(200);
        expect((await blob.bytes()).length).toBe(Number(blob.headers.get('content-length')));
      }
    }
    expect(origin.requestCount({ method: 'GET', path: /\/blobs\// })).toBe(3);
  });
});
