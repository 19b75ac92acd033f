import { expect, it } from 'vitest';
import { parseReference } from '../../src/oci/reference.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, readAll } from './connect.ts';

it('pulls with a token and a redirect', async () => {
  await using origin = await startOrigin({ auth: { type: 'bearer' }, redirectBlobs: { to: 'other', signed: { lifetimeMs: 1000 } } });
  const image = buildImage(origin, 'a/b', 'v1', { layers: [300_000] });
  await using upstream = connect(origin.url);
  const reference = parseReference('v1');
  if (!reference) throw new Error('x');
  console.log(await upstream.headManifest('a/b', reference));
  const manifest = await upstream.getManifest('a/b', reference);
  expect(manifest.digest).toBe(image.digest);
  const layer = image.layers[0] as Digest;
  await using blob = await upstream.getBlob('a/b', layer, { startBytes: 1000 });
  expect((await readAll(blob.body)).length).toBe(299_000);
  console.log(await upstream.headBlob('a/b', layer), await upstream.listTags('a/b'), await upstream.listReferrers('a/b', layer));
  console.log(origin.requests.map((r) => `${r.method} ${r.url} ${r.status} ${r.headers.authorization}`), origin.tokenRequests.map((r)=>r.url), origin.cdnRequests.map((r)=>r.url));
});
