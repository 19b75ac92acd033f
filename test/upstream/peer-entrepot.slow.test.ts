import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Peer } from '../../src/upstream/peer.ts';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { PASSWORD, startHosted, type TestHosted } from '../support/hosted.ts';
import { buildImage, IMAGE_MEDIA_TYPES } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { digest as asDigest, ref } from './connect.ts';
import { connectPeer, TestBlob } from './support/connect-peer.ts';
import { type Relay, startRelay } from './support/relay.ts';

const MIB = 1024 * 1024;
const credentials = { type: 'basic', username: 'ci', password: new Secret(PASSWORD) } as const;
const { config, layer, manifest: mediaType } = IMAGE_MEDIA_TYPES.oci;

const ORIGIN = { site: 'eu-west', sequence: 3, clock: { ms: Date.now() - 1000, count: 2 } };

let server: TestHosted;
let relay: Relay;
let peer: Peer;
let seed = 0;

beforeAll(async () => {
  server = await startHosted({ config: { site: 'us-east-1' } });
  relay = await startRelay(server.registryUrl);
  peer = connectPeer(relay.url, { credentials });
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function newBlob(size: number): TestBlob {
  seed += 1;
  return new TestBlob(seededBytes(size, seed));
}

/** What the mirror's door gives to everyone. */
async function served(repository: string, { digest }: TestBlob): Promise<string> {
  const answer = await fetch(`${server.url}/v2/${repository}/blobs/${digest}`);
  return sha256(new Uint8Array(await answer.arrayBuffer()));
}

function imageOf(blob: TestBlob, layers: readonly TestBlob[] = []): { bytes: Buffer; mediaType: string } {
  const describe = (type: string, { digest, sizeBytes: size }: TestBlob) => ({ mediaType: type, digest, size });
  const content = {
    schemaVersion: 2,
    mediaType,
    config: describe(config, blob),
    layers: layers.map((each) => describe(layer, each)),
  };
  return { bytes: Buffer.from(JSON.stringify(content)), mediaType };
}

test('an entrepot tells its site', async () => {
  expect(await peer.ping()).toEqual({ site: 'us-east-1' });
});

test('an image arrives, can be mounted and deleted', async () => {
  const [one, two] = [newBlob(100), newBlob(5 * MIB)];
  for (const blob of [one, two]) {
    expect(await peer.hasBlob('local/app', blob.digest)).toBe(false);
    await peer.pushBlob('local/app', blob);
    expect(await served('local/app', blob)).toBe(blob.digest);
    expect(await peer.mountBlob('local/other', blob.digest, 'local/app')).toBe(true);
  }
  expect(await peer.mountBlob('local/third', one.digest, undefined)).toBe(true);
  expect(await peer.mountBlob('local/other', newBlob(10).digest, 'local/app')).toBe(false);
  const image = imageOf(one, [two]);
  expect(await peer.putManifest('local/app', ref('v1'), image)).toEqual({});
  const known = sha256(image.bytes);
  expect(await peer.listTags('local/app')).toEqual(['v1']);
  expect(await peer.deleteManifest('local/app', ref('v1'))).toBe('deleted');
  expect(await peer.deleteManifest('local/app', ref(known))).toBe('deleted');
  expect(await peer.deleteManifest('local/app', ref(known))).toBe('absent');
});

test('who replicates is told by which change a tag was set', async () => {
  const blob = newBlob(100);
  const repository = 'local/replicas/app';
  await using replicator = connectPeer(relay.url, { credentials: { ...credentials, username: 'peer' } });
  await replicator.pushBlob(repository, blob);
  const image = imageOf(blob);
  const origin = { ...ORIGIN, base: blob.digest };
  await replicator.putManifest(repository, ref('v1'), image, { origin });
  const digest = sha256(image.bytes);
  expect(await replicator.headManifest(repository, ref('v1'))).toMatchObject({ digest, origin });
  expect(await replicator.headManifest(repository, ref(digest))).not.toHaveProperty('origin');
});

test('what is told to one who may not replicate does not count: siblings may have it', async () => {
  const blob = newBlob(100);
  const image = imageOf(blob);
  const digest = sha256(image.bytes);
  await using replicator = connectPeer(relay.url, { credentials: { ...credentials, username: 'peer' } });
  await replicator.pushBlob('local/replicas/told', blob);
  await replicator.putManifest('local/replicas/told', ref('v1'), image, { origin: ORIGIN });
  expect(await replicator.headManifest('local/replicas/told', ref(digest))).toMatchObject({ digest, mediaType });
  expect(await peer.headManifest('local/replicas/told', ref(digest))).toBe(undefined);
});

test('a referrer tells that its subject is known', async () => {
  const blob = newBlob(100);
  await peer.pushBlob('local/app', blob);
  const subject = { mediaType, digest: sha256(Buffer.from('subject')), size: 7 };
  const { bytes } = imageOf(blob);
  const referrer = Buffer.from(JSON.stringify({ ...(JSON.parse(bytes.toString()) as object), subject }));
  expect(await peer.putManifest('local/app', ref('r'), { bytes: referrer, mediaType })).toEqual({
    subject: subject.digest,
  });
});

test('what is refused is told with its reason', async () => {
  await expect(peer.putManifest('local/app', ref('v2'), imageOf(newBlob(10)))).rejects.toMatchObject({
    code: 'REFUSED',
    status: 404,
    reason: 'MANIFEST_BLOB_UNKNOWN',
  });
  await expect(peer.pushBlob('local/UPPER', newBlob(10))).rejects.toMatchObject({ code: 'REFUSED', status: 400 });
  const [first, second] = [newBlob(10), newBlob(10)];
  for (const blob of [first, second]) await peer.pushBlob('local/frozen/app', blob);
  await peer.putManifest('local/frozen/app', ref('v1'), imageOf(first));
  await expect(peer.putManifest('local/frozen/app', ref('v1'), imageOf(second))).rejects.toMatchObject({
    code: 'DENIED',
    status: 403,
    reason: 'DENIED',
    message: expect.stringContaining('v1'),
  });
  await expect(peer.deleteManifest('local/kept/app', ref('v1'))).rejects.toMatchObject({ status: 405 });
});

test.each([undefined, 4 * MIB])(
  'a large blob gets there over a line that breaks again and again (chunks: %s)',
  async (chunkBytes) => {
    const size = 40 * MIB;
    const blob = newBlob(size);
    await using breaking = connectPeer(relay.url, { credentials, ...(chunkBytes !== undefined && { chunkBytes }) });
    await breaking.ping();
    const before = relay.sentBytes;
    let breaks = 0;
    for (let isThere = false; !isThere; ) {
      if (breaks < 8) relay.cutAfter(4.5 * MIB);
      try {
        await breaking.pushBlob('local/app', blob);
        isThere = true;
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNREACHABLE' });
        breaks += 1;
      }
    }
    expect(breaks).toBe(8);
    expect(await served('local/app', blob)).toBe(blob.digest);
    expect((relay.sentBytes - before) / size).toBeLessThan(1.05);
    expect(blob.sessions.filter((session) => session === undefined)).toEqual([]);
  },
);

test('a large blob goes on after the peer was restarted', async () => {
  const blob = newBlob(16 * MIB);
  relay.cutAfter(7 * MIB);
  await expect(peer.pushBlob('local/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await server.restart();
  await using again = await startRelay(server.registryUrl);
  // The restarted server has another port, as no real one would.
  await using fresh = connectPeer(again.url, { credentials });
  blob.session = blob.session?.replace(new URL(relay.url).host, new URL(again.url).host) ?? '';
  await fresh.pushBlob('local/app', blob);
  expect(await served('local/app', blob)).toBe(blob.digest);
  expect(again.sentBytes).toBeLessThan(10 * MIB);
});

test('what a mirror could pull is not there', async () => {
  await using origin = await startOrigin();
  const image = buildImage(origin, 'library/app', 'v1');
  await using mirror = await startHosted({ origin });
  const replicating = { type: 'basic', username: 'peer', password: new Secret(PASSWORD) } as const;
  await using site = connectPeer(mirror.registryUrl, { credentials: replicating });
  const path = 'docker.io/library/app';
  expect(await site.listTags(path)).toEqual([]);
  expect(await site.headManifest(path, ref('v1'))).toBe(undefined);
  expect(await site.getManifest(path, ref('v1'))).toBe(undefined);
  expect(await site.hasBlob(path, asDigest(image.config))).toBe(false);
  expect(origin.requests).toEqual([]);
});

test('what a mirror could pull is not there for who may not replicate either', async () => {
  await using origin = await startOrigin();
  const image = buildImage(origin, 'library/app', 'v1');
  await using mirror = await startHosted({ origin });
  await using site = connectPeer(mirror.registryUrl, { credentials });
  const path = 'docker.io/library/app';
  expect(await site.headManifest(path, ref('v1'))).toBe(undefined);
  expect(await site.hasBlob(path, asDigest(image.config))).toBe(false);
  await expect(site.pushBlob(path, newBlob(10))).rejects.toMatchObject({ code: 'DENIED' });
});

test("a mirror's door is not taken for a peer's", async () => {
  await using site = connectPeer(server.url, { credentials });
  const message = expect.stringContaining('its url has to be the address of its registry.listen') as string;
  await expect(site.ping()).rejects.toMatchObject({ code: 'INVALID', message });
});
