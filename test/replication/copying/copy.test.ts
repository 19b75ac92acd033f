import { describe, expect, test } from 'vitest';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/bytes.ts';
import { buildImage, buildIndex, IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { APP, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { ruleWith } from '../support/site.ts';
import { StrictPeer } from '../support/strict-peer.ts';
import { openSite } from '../support/test-site.ts';

describe('copying a tag', () => {
  test('brings its blobs, then its manifest, with where and when the tag was moved', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [3000, 700_000] });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const result = await stage.run('v1');
    expect(result).toEqual({
      outcome: 'copied',
      digest: image.digest,
      sentBytes: draft.sizeBytes,
      sentBlobs: 3,
      mountedBlobs: 0,
      presentBlobs: 0,
      isSparseRefused: false,
    });
    expect(peer.at(APP).tags.get('v1')).toBe(image.digest);
    expect(peer.receivedBytes).toBe(draft.sizeBytes);
    expect(stage.sentBytes).toBe(draft.sizeBytes);
    const state = await site.index.findTagState(APP, 'v1');
    expect(peer.origins.get(`${APP} v1`)).toEqual({ site: 'here', sequence: state?.sequence, clock: state?.clock });
  });

  test('brings the blobs that an index lists, as BuildKit keeps its cache', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const digest = draft.addBlob(seededBytes(3000, 1)) as Digest;
    const { index: mediaType, layer } = IMAGE_MEDIA_TYPES.oci;
    const listed = { mediaType: layer, digest, size: 3000 };
    draft.addManifest(APP, 'cache', { schemaVersion: 2, mediaType, manifests: [listed] }, mediaType);
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const rule = ruleWith({ platforms: ['linux/amd64'] });
    expect(await openStage(site, peer).run('cache', { rule })).toMatchObject({ outcome: 'copied', sentBlobs: 1 });
    expect(peer.at(APP).tags.has('cache')).toBe(true);
  });

  test('sends nothing when the peer has it', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    await stage.run('v1');
    peer.asked.length = 0;
    expect(await stage.run('v1')).toMatchObject({ outcome: 'present', digest: image.digest, sentBytes: 0 });
    expect(peer.asked).toEqual([`head ${APP} v1`]);
  });

  test('of an image that the peer has by digest puts the tag only, and says what it pointed at', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const first = buildImage(draft, APP, 'v1', { seed: 1 });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    await stage.run('v1');
    const second = new Draft();
    const image = buildImage(second, APP, 'v1', { seed: 2 });
    await site.push(APP, second);
    await stage.run(image.digest);
    peer.asked.length = 0;
    expect(await stage.run('v1')).toMatchObject({ outcome: 'copied', sentBytes: image.bytes.length, sentBlobs: 0 });
    expect(peer.asked).toEqual([`head ${APP} v1`, `head ${APP} ${image.digest}`, `put ${APP} v1`]);
    // The site has moved the tag by itself since it made it.
    expect(peer.origins.get(`${APP} v1`)).not.toHaveProperty('base');
    expect(peer.at(APP).tags.get('v1')).not.toBe(first.digest);
  });

  test('tells when the peer keeps a tag that was set later', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { seed: 1 });
    await site.push(APP, draft);
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    const kept = digestOf(Buffer.from('another'));
    peer.at(APP).tags.set('v1', kept);
    peer.laterTags.add('v1');
    expect(await stage.run('v1')).toMatchObject({ outcome: 'kept', digest: image.digest });
    expect(peer.at(APP).manifests.has(image.digest as Digest)).toBe(true);
  });

  test('that is not here any more does nothing at the peer', async () => {
    await using site = await openSite();
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const absent = digestOf(Buffer.from('absent'));
    expect(await stage.run('v1')).toMatchObject({ outcome: 'vanished', digest: undefined, sentBytes: 0 });
    expect(await stage.run(absent)).toMatchObject({ outcome: 'vanished', digest: absent });
    expect(peer.asked).toEqual([]);
  });

  test('of an image with manifests too deep or too large to be sent is refused', async () => {
    await using site = await openSite();
    const draft = new Draft();
    let nested = draft.addIndex(undefined, []);
    for (let depth = 0; depth < 5; depth += 1)
      nested = draft.addIndex(depth === 4 ? 'deep' : undefined, [{ of: nested }]);
    const large = Array.from({ length: 9 }, (_, number) => ({
      of: draft.addArtifact({ name: String(number), annotations: { text: 'x'.repeat(4_000_000) } }),
    }));
    draft.addIndex('large', large);
    await site.push(APP, draft);
    const peer = new StrictPeer();
    for (const tag of ['deep', 'large']) {
      await expect(openStage(site, peer).run(tag)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
    }
    expect(peer.count(/^(put|push)/)).toBe(0);
  });

  test('does not need a peer that answers when it is asked for nothing but itself', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer();
    peer.before = (question) => {
      if (question === 'ping') peer.refuse(404, 'NOT_FOUND');
    };
    expect(await openStage(site, peer).run('v1')).toMatchObject({ outcome: 'copied' });
    expect(peer.at(APP).tags.get('v1')).toBe(image.digest);
  });

  test.each([
    ['a repository', { repositories: ['local/other'] }],
    ['a tag', { tags: ['x*'] }],
  ])('of %s that the rule is not about any more sends nothing', async (_, changes) => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer();
    expect(await openStage(site, peer).run('v1', { rule: ruleWith(changes) })).toMatchObject({ outcome: 'present' });
    expect(peer.asked).toEqual([]);
  });

  test('gives the repository the name that the rule says', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    await stage.run('v1', { rule: ruleWith({ as: 'mirror/{repository}' }) });
    expect([...peer.at('mirror/local/app').tags.keys()]).toEqual(['v1']);
    const job = stage.run('v1', { rule: ruleWith({ as: 'mirror/{repository}/' }) });
    await expect(job).rejects.toMatchObject({
      code: 'NAME_UNKNOWN',
      message: expect.stringContaining('mirror/local/app/'),
    });
  });

  test('leaves out layers that live elsewhere, and sends one that is listed twice once', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const types = IMAGE_MEDIA_TYPES.docker;
    const bytes = seededBytes(1000, 1);
    const layer = { mediaType: types.layer, digest: draft.addBlob(bytes), size: 1000 };
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: digestOf(Buffer.from('elsewhere')),
      size: 9,
    };
    const config = { mediaType: types.config, digest: draft.addBlob(Buffer.from('{}')), size: 2 };
    const document = { schemaVersion: 2, mediaType: types.manifest, config, layers: [layer, foreign, layer] };
    draft.addManifest(APP, 'v1', document, types.manifest);
    await site.push(APP, draft);
    const peer = new StrictPeer();
    expect(await openStage(site, peer).run('v1')).toMatchObject({ outcome: 'copied', sentBlobs: 2 });
    expect(peer.receivedBlobBytes).toBe(1002);
  });

  test('with a digest that tags do not give is put by its digest first, and is not sent again', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, undefined);
    const made = draft.manifests.pop();
    const bytes = made?.bytes ?? Buffer.alloc(0);
    const digest = digestOf(bytes, 'sha512');
    draft.manifests.push({ tag: 'v1', digest, bytes, mediaType: made?.mediaType ?? '' });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    expect(await stage.run('v1')).toMatchObject({ outcome: 'copied', digest });
    expect(peer.at(APP).manifests.has(digest)).toBe(true);
    expect(peer.at(APP).tags.get('v1')).toBe(digestOf(bytes));
    expect(await stage.run('v1')).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });

  test('sends of 50 tags with shared layers each byte once', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const shared = seededBytes(200_000, 'shared');
    const types = IMAGE_MEDIA_TYPES.oci;
    for (let number = 0; number < 50; number += 1) {
      const own = seededBytes(10_000, number);
      const half = seededBytes(20_000, `half ${number % 2}`);
      const layers = [shared, half, own].map((bytes) => ({
        mediaType: types.layer,
        digest: draft.addBlob(bytes),
        size: bytes.length,
      }));
      const bytes = Buffer.from(`{"number":${number}}`);
      const config = { mediaType: types.config, digest: draft.addBlob(bytes), size: bytes.length };
      const document = { schemaVersion: 2, mediaType: types.manifest, config, layers };
      draft.addManifest(APP, `v${number}`, document, types.manifest);
    }
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const results = await Promise.all(Array.from({ length: 50 }, (_, number) => stage.run(`v${number}`)));
    expect(results.every(({ outcome }) => outcome === 'copied')).toBe(true);
    expect(peer.at(APP).tags.size).toBe(50);
    expect(peer.receivedBytes).toBe(draft.sizeBytes);
    expect(stage.sentBytes).toBe(draft.sizeBytes);
    expect(peer.mostAtOnce).toBeGreaterThan(1);
    expect(peer.mostAtOnce).toBeLessThanOrEqual(4);
  });

  test('mounts what another repository of the peer is known to have, and sends it where that is refused', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: [5000] });
    await site.push(APP, draft);
    await site.push('local/other', draft);
    for (const mounts of [true, false]) {
      const peer = new StrictPeer({ mounts });
      const stage = openStage(site, peer);
      await stage.run('v1');
      const result = await stage.run('v1', { repository: 'local/other' });
      expect(result).toMatchObject(mounts ? { mountedBlobs: 2, sentBlobs: 0 } : { mountedBlobs: 0, sentBlobs: 2 });
      expect(peer.at('local/other').tags.size).toBe(1);
    }
  });

  test('of two jobs at once that need the same blob in two repositories one sends and the other mounts it', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: [5000] });
    await site.push(APP, draft);
    await site.push('local/other', draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const [one, other] = await Promise.all([stage.run('v1'), stage.run('v1', { repository: 'local/other' })]);
    expect(one.sentBlobs + other.sentBlobs).toBe(2);
    expect(one.mountedBlobs + other.mountedBlobs).toBe(2);
  });

  test('to an entrepot mounts without knowing from where', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: [5000] });
    await site.push(APP, draft);
    const peer = new StrictPeer({ site: 'us-east' });
    for (const digest of draft.blobs.keys()) peer.at('somewhere/else').blobs.add(digest);
    expect(await openStage(site, peer).run('v1')).toMatchObject({ mountedBlobs: 2, sentBlobs: 0 });
    expect(peer.count(/^mount .* undefined$/)).toBe(2);
  });

  test('of an index brings all images first', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1', { layers: [2000] });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    expect(await openStage(site, peer).run('v1')).toMatchObject({ outcome: 'copied', digest: index.digest });
    expect(peer.at(APP).manifests.size).toBe(3);
    expect(peer.asked.at(-1)).toBe(`put ${APP} v1`);
    expect(peer.receivedBytes).toBe(draft.sizeBytes);
  });
});
