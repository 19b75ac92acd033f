import { describe, expect, test } from 'vitest';
import { digestHex, digestOf, type Digest } from '../../../src/oci/digest.ts';
import { OCI_INDEX } from '../../../src/oci/media-types.ts';
import { buildImage } from '../../support/images.ts';
import { APP, type CopyStage, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { ruleWith } from '../support/site.ts';
import { StrictPeer, type StrictPeerOptions } from '../support/strict-peer.ts';
import { openSite, type TestSite } from '../support/test-site.ts';

const CI = { actor: 'ci' };

interface Scene extends AsyncDisposable {
  readonly site: TestSite;
  readonly peer: StrictPeer;
  readonly stage: CopyStage;
  readonly digest: Digest;
}

/** An image with these tags, here and there. */
async function openScene(options: StrictPeerOptions, tags: readonly string[] = ['v1']): Promise<Scene> {
  const site = await openSite();
  const draft = new Draft();
  const image = buildImage(draft, APP, undefined);
  for (const tag of tags) draft.addManifest(APP, tag, image.bytes, image.mediaType);
  await site.push(APP, draft);
  const peer = new StrictPeer(options);
  const stage = openStage(site, peer);
  for (const tag of tags) await stage.run(tag);
  peer.asked.length = 0;
  const digest = image.digest as Digest;
  return { site, peer, stage, digest, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
}

/** An index of one manifest. */
function indexOf(manifests: ReadonlyMap<Digest, { bytes: Uint8Array; mediaType: string }>, digest: Digest): object {
  const { bytes, mediaType } = manifests.get(digest) ?? { bytes: Buffer.alloc(0), mediaType: '' };
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ mediaType, digest, size: bytes.length }] };
}

describe('the deletion of a tag', () => {
  test('is done at the peer, with where and when it was done here', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    await site.index.deleteTag(APP, 'v1', CI);
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'deleted', digest, sentBytes: 0 });
    expect(peer.at(APP).tags.size).toBe(0);
    expect(peer.at(APP).manifests.has(digest)).toBe(true);
    const tombstone = await site.index.findTombstone(APP, 'v1');
    const { sequence, clock } = tombstone ?? {};
    expect(peer.origins.get(`${APP} v1`)).toEqual({ site: 'here', sequence, clock });
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'absent' });
  });

  test('of a tag that another site has set says so: it is no conflict there', async () => {
    await using scene = await openScene({ site: 'us-east' });
    const { site, peer, stage, digest } = scene;
    const manifest = await peer.getManifest(APP, { kind: 'digest', digest });
    if (!manifest) throw new Error('the image is not there');
    const { bytes, mediaType } = manifest;
    const origin = { site: 'us-east', sequence: 7, clock: { ms: Date.now(), count: 0 } };
    const record = { repository: APP, digest, mediaType, sizeBytes: bytes.length, artifactType: undefined };
    const tagged = { ...record, references: [], tags: ['v2'], atMs: Date.now() };
    await site.index.pushManifest(tagged, [], { actor: 'us-east', origin });
    await site.index.deleteTag(APP, 'v2', CI);
    await peer.putManifest(APP, { kind: 'tag', tag: 'v2' }, manifest);
    expect(await stage.run('v2', { deleted: digest })).toMatchObject({ outcome: 'deleted' });
    expect(peer.origins.get(`${APP} v2`)).toMatchObject({ site: 'here', base: digest });
  });

  test('is done where the peer knows the manifest by another digest of its bytes', async () => {
    await using site = await openSite();
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
    const digest = digestOf(bytes, 'sha512');
    const draft = new Draft();
    draft.manifests.push({ tag: 'v1', digest, bytes, mediaType: OCI_INDEX });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    await stage.run('v1');
    expect(peer.at(APP).tags.get('v1')).toBe(digestOf(bytes));
    await site.index.deleteTag(APP, 'v1', CI);
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'deleted' });
  });

  test('is not done where the peer has moved it', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    await site.index.deleteTag(APP, 'v1', CI);
    const other = new Draft();
    const { bytes, mediaType } = other.addArtifact({ name: 'another' });
    for (const blob of other.blobs.keys()) peer.at(APP).blobs.add(blob);
    await peer.putManifest(APP, { kind: 'tag', tag: 'v1' }, { bytes, mediaType });
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'kept' });
    expect(peer.count(/^delete/)).toBe(0);
  });

  test('is left to an entrepot to judge', async () => {
    await using scene = await openScene({ site: 'us-east' }, ['v1', 'v2']);
    const { site, peer, stage, digest } = scene;
    peer.laterTags.add('v2');
    for (const tag of ['v1', 'v2']) await site.index.deleteTag(APP, tag, CI);
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'deleted' });
    expect(await stage.run('v2', { deleted: digest })).toMatchObject({ outcome: 'kept' });
    expect([...peer.at(APP).tags.keys()]).toEqual(['v2']);
  });

  test('is a copy when the tag is here again', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    await site.index.deleteTag(APP, 'v1', CI);
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { seed: 2 });
    await site.push(APP, draft);
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'copied', digest: image.digest });
    expect(peer.at(APP).tags.get('v1')).toBe(image.digest);
  });

  test('is not done by a rule that has no deletions any more', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    await site.index.deleteManifest(APP, digest, CI);
    const rule = ruleWith({ deletes: false });
    for (const reference of ['v1', digest]) {
      expect(await stage.run(reference, { deleted: digest, rule })).toMatchObject({ outcome: 'present' });
    }
    expect(peer.asked).toEqual([]);
  });

  test('is none when the tag went without being deleted', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    await site.index.deleteTag(APP, 'v1', CI);
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { seed: 2 });
    await site.push(APP, draft);
    const state = await site.index.findTagState(APP, 'v1');
    if (state) await site.index.dropRoots([{ repository: APP, digest: state.digest }]);
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'vanished' });
    expect(peer.asked).toEqual([]);
  });

  test('goes by the digest where only that can be deleted, if it is the only tag', async () => {
    await using scene = await openScene({ deletesTags: false }, ['v1', 'v2']);
    const { site, peer, stage, digest } = scene;
    await site.index.deleteTag(APP, 'v1', CI);
    const message = 'us-east: it deletes tags only with their manifest, and the tag v2 has the same';
    const refused = { code: 'REFUSED', status: 405, message };
    await expect(stage.run('v1', { deleted: digest })).rejects.toMatchObject(refused);
    peer.at(APP).tags.delete('v2');
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'deleted' });
    expect(peer.at(APP).manifests.size).toBe(0);
  });

  test('goes by the digest where only that can be deleted, with another tag when that is due to go too', async () => {
    await using scene = await openScene({ deletesTags: false }, ['v1', 'v2']);
    const { site, peer, stage, digest } = scene;
    for (const tag of ['v1', 'v2']) await site.index.deleteTag(APP, tag, CI);
    const early = ruleWith({ deletes: true, graceMs: 60_000 });
    await expect(stage.run('v1', { deleted: digest, rule: early })).rejects.toMatchObject({ code: 'REFUSED' });
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'deleted' });
    expect(peer.at(APP).tags.size + peer.at(APP).manifests.size).toBe(0);
    expect(await stage.run('v2', { deleted: digest })).toMatchObject({ outcome: 'absent' });
  });
});

describe('the deletion of a manifest', () => {
  test.each([
    ['a plain registry', {}],
    ['an entrepot', { site: 'us-east' }],
  ])('goes to %s with the tags that were deleted with it', async (_, options) => {
    await using scene = await openScene(options, ['v1', 'v2']);
    const { site, peer, stage, digest } = scene;
    await site.index.deleteManifest(APP, digest, CI);
    expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'deleted', digest });
    expect(peer.at(APP).tags.size + peer.at(APP).manifests.size).toBe(0);
    expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'absent' });
  });

  test.each([
    ['a tag that the rule is not about', { tags: ['x*'] }],
    ['a tag that was not deleted here', {}],
  ])('is not done while the peer has %s', async (which, changes) => {
    await using scene = await openScene({}, ['v1']);
    const { site, peer, stage, digest } = scene;
    await site.index.deleteManifest(APP, digest, CI);
    if (which.endsWith('here')) peer.at(APP).tags.set('mine', digest);
    const rule = ruleWith({ deletes: true, ...changes });
    expect(await stage.run(digest, { deleted: digest, rule })).toMatchObject({ outcome: 'kept' });
    expect(peer.at(APP).manifests.has(digest)).toBe(true);
  });

  test('is not done when an entrepot keeps one of its tags, or has too many to look at', async () => {
    await using scene = await openScene({ site: 'us-east' });
    const { site, peer, stage, digest } = scene;
    await site.index.deleteManifest(APP, digest, CI);
    peer.laterTags.add('v1');
    expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'kept' });
    peer.laterTags.clear();
    const other = digestOf(Buffer.from('another'));
    for (let number = 0; number < 1000; number += 1) peer.at(APP).tags.set(`t${number}`, other);
    expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'kept' });
    expect(peer.at(APP).manifests.has(digest)).toBe(true);
  });

  test.each([{}, { deletesTags: false }])(
    'leaves at a plain registry what an index there lists (%o)',
    async (options) => {
      await using scene = await openScene(options);
      const { site, peer, stage, digest } = scene;
      const bytes = Buffer.from(JSON.stringify(indexOf(peer.at(APP).manifests, digest)));
      await peer.putManifest(APP, { kind: 'tag', tag: 'all' }, { bytes, mediaType: OCI_INDEX });
      await site.index.deleteManifest(APP, digest, CI);
      if (options.deletesTags === false) {
        await expect(stage.run('v1', { deleted: digest })).rejects.toMatchObject({ code: 'REFUSED', status: 405 });
      }
      expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'kept' });
      expect(peer.at(APP).manifests.has(digest)).toBe(true);
      peer.at(APP).tags.delete('all');
      expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'deleted' });
    },
  );

  test('is a copy when it is here again', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    const draft = new Draft();
    const image = buildImage(draft, APP, undefined, { seed: 2 });
    await site.push(APP, draft);
    expect(await stage.run(image.digest, { deleted: digest })).toMatchObject({ outcome: 'copied' });
    expect(peer.at(APP).manifests.has(image.digest as Digest)).toBe(true);
  });

  test('takes a referrer from the list that the peer does not keep by itself, and leaves the others', async () => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    const draft = new Draft();
    const subject = { digest, mediaType: '', bytes: Buffer.alloc(0) };
    const [one, other] = ['one', 'other'].map((name) => draft.addArtifact({ name, subject }));
    await site.push(APP, draft);
    await stage.run('v1');
    const list = `sha256-${digestHex(digest)}`;
    expect(peer.json(APP, list)).toMatchObject({ manifests: { length: 2 } });
    const gone = one?.digest ?? digest;
    await site.index.deleteManifest(APP, gone, CI);
    expect(await stage.run(gone, { deleted: gone })).toMatchObject({ outcome: 'deleted' });
    expect(peer.json(APP, list)).toMatchObject({ manifests: [{ digest: other?.digest }] });
    expect(peer.at(APP).tags.get('v1')).toBe(digest);
  });

  test.each([
    ['is deleted', false],
    ['stays where it may not be deleted', true],
  ])('takes the last referrer from that list, which %s', async (_, stays) => {
    await using scene = await openScene({});
    const { site, peer, stage, digest } = scene;
    const draft = new Draft();
    const { digest: gone } = draft.addArtifact({
      name: 'one',
      subject: { digest, mediaType: '', bytes: Buffer.alloc(0) },
    });
    await site.push(APP, draft);
    await stage.run('v1');
    const list = `sha256-${digestHex(digest)}`;
    const listDigest = peer.at(APP).tags.get(list);
    await site.index.deleteManifest(APP, gone, CI);
    peer.before = (question) => {
      if (stays && question === `delete ${APP} ${listDigest}`) peer.refuse(405, 'UNSUPPORTED');
    };
    expect(await stage.run(gone, { deleted: gone })).toMatchObject({ outcome: 'deleted' });
    expect(peer.json(APP, list)).toEqual(stays ? expect.objectContaining({ manifests: [] }) : undefined);
    expect(peer.at(APP).tags.get('v1')).toBe(digest);
  });
});
