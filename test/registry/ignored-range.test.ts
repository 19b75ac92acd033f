import { expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { download } from '../support/download.ts';
import { buildImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';

const MIB = 1024 * 1024;

test('an upstream that ignores Range sends a small blob once, though a client wants its end first', async () => {
  await using origin = await startOrigin({ ranges: false });
  const size = 2 * MIB;
  const image = buildImage(origin, 'library/app', 'v1', { layers: [size], seed: 7 });
  const [layer = ''] = image.layers;
  const content = seededBytes(size, 'layer 7 0 linux/amd64');
  origin.fault({ method: 'GET', path: layer }, { kind: 'slow', bytesPerSecond: 2 * MIB });
  await using mirror = await startMirror(origin, { config: { pull: { readAhead: false } } });
  await fetch(`${mirror.url}/v2/library/app/manifests/v1`);
  const url = `${mirror.url}/v2/library/app/blobs/${layer}`;

  const offset = size - 1000;
  const answers = await Promise.all([
    download(url, { expected: content }),
    download(url, { expected: content.subarray(offset), range: `bytes=${offset}-` }),
  ]);
  for (const answer of answers) expect(answer).toMatchObject({ isComplete: true, differsAt: undefined });
  expect(origin.blobBytesSent(layer) / size).toBeLessThanOrEqual(1.02);
});
