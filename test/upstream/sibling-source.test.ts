import { expect, it } from 'vitest';
import { SiblingSource } from '../../src/upstream/sibling-source.ts';
import { Siblings } from '../../src/upstream/siblings.ts';
import { startOrigin } from '../support/origin.ts';
import { digest, quietTelemetry, readAll, ref } from './connect.ts';
import { addBlob, addManifest, connectSibling, INDEX, NAME, PATH, startPair } from './sibling-pair.ts';

const NONE = digest(`sha256:${'0'.repeat(64)}`);

it('has what a sibling has, and tells which site that is', async () => {
  await using pair = await startPair();
  const { near, source } = pair;
  const manifest = addManifest(pair, 'there', ['near']);
  near.moveTag(NAME, 'v1', manifest);
  const { bytes, digest: blob } = addBlob(pair, 5000);
  expect(await source.getManifest(PATH, ref('v1'))).toMatchObject({ digest: manifest, site: 'near-site' });
  expect(await source.headBlob(PATH, blob)).toEqual({ sizeBytes: 5000 });
  await using part = await source.getBlob(PATH, blob, { startBytes: 4000 });
  expect((await readAll(part.body)).equals(bytes.subarray(4000))).toBe(true);
  expect(near.requests.every(({ headers }) => headers['cache-control'] === 'only-if-cached')).toBe(true);
});

it('does not have what no sibling has, or may tell', async () => {
  await using pair = await startPair();
  const { near, source } = pair;
  await expect(source.getManifest(PATH, ref('v1'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(source.getBlob(PATH, NONE, undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  near.fault({}, { kind: 'status', status: 403 });
  await expect(source.getManifest(PATH, ref('v1'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

it('cannot say when a sibling cannot', async () => {
  await using pair = await startPair();
  pair.near.fault({}, { kind: 'status', status: 500 });
  await expect(pair.source.getManifest(PATH, ref('v1'))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    upstream: 'near',
  });
});

it('is asked of one sibling after the other', async () => {
  await using opened = new AsyncDisposableStack();
  const [first, second] = [opened.use(await startOrigin()), opened.use(await startOrigin())];
  const shared = { telemetry: quietTelemetry(), now: () => performance.now() };
  const source = new SiblingSource(
    'local',
    new Siblings([
      connectSibling(first.url, opened, { ...shared, name: 'one', site: 'site-one' }),
      connectSibling(second.url, opened, { ...shared, name: 'two', site: 'site-two' }),
    ]),
  );
  const manifest = { schemaVersion: 2, mediaType: INDEX, manifests: [] };
  second.addManifest('local/app', 'v1', manifest, INDEX);
  expect(await source.getManifest('app', ref('v1'))).toMatchObject({ site: 'site-two' });
  await first.stop();
  expect(await source.getManifest('app', ref('v1'))).toMatchObject({ site: 'site-two' });
  await expect(source.getManifest('app', ref('v2'))).rejects.toMatchObject({ code: 'UNREACHABLE', upstream: 'one' });
});

it('gives the rest of a blob in the middle of which it stopped', async () => {
  await using pair = await startPair();
  const { near, source } = pair;
  const { bytes, digest: blob } = addBlob(pair, 100_000);
  near.fault({ path: 'blobs' }, { kind: 'reset', afterBytes: 30_000 }, { times: 1 });
  await using stream = await source.getBlob(PATH, blob, undefined);
  await expect(readAll(stream.body)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await using rest = await source.getBlob(PATH, blob, { startBytes: 30_000 });
  expect((await readAll(rest.body)).equals(bytes.subarray(30_000))).toBe(true);
});
