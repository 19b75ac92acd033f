import { describe, expect, test } from 'vitest';
import { buildImage, buildIndex } from '../../support/images.ts';
import { APP, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { ruleWith } from '../support/site.ts';
import { StrictPeer } from '../support/strict-peer.ts';
import { openSite, type TestSite } from '../support/test-site.ts';

const AMD64 = ruleWith({ platforms: ['linux/amd64'] });
const ARM64 = ruleWith({ platforms: ['linux/arm64'] });

/** An index of two platforms, of which some content may be left out. */
async function pushIndex(site: TestSite, tag: string, seed = 1, without: readonly string[] = []) {
  const draft = new Draft();
  const index = buildIndex(draft, APP, tag, { layers: [2000], seed });
  await site.push(APP, draft, { without });
  const [amd64, arm64] = index.images;
  if (!amd64 || !arm64) throw new Error('the index has other images');
  return { index, draft, amd64, arm64 };
}

function manifestsOf(peer: StrictPeer): Set<string> {
  return new Set(peer.at(APP).manifests.keys());
}

describe('of an index, with a rule for some platforms,', () => {
  test('only their images are sent, and the index whole', async () => {
    await using site = await openSite();
    const { index, amd64 } = await pushIndex(site, 'v1');
    const peer = new StrictPeer({ takesSparse: true });
    const stage = openStage(site, peer);
    const result = await stage.run('v1', { rule: AMD64 });
    expect(result).toMatchObject({ outcome: 'copied', isSparseRefused: false, sentBlobs: 2 });
    expect(manifestsOf(peer)).toEqual(new Set([amd64.digest, index.digest]));
    expect(await stage.run('v1', { rule: AMD64 })).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });

  test('an index that is there already gets the images of another rule', async () => {
    await using site = await openSite();
    const { amd64, arm64, index } = await pushIndex(site, 'v1');
    const peer = new StrictPeer({ takesSparse: true });
    const stage = openStage(site, peer);
    await stage.run('v1', { rule: AMD64 });
    expect(await stage.run('v1', { rule: ARM64 })).toMatchObject({ outcome: 'copied', sentBlobs: 2 });
    expect(manifestsOf(peer)).toEqual(new Set([amd64.digest, arm64.digest, index.digest]));
    expect(peer.count(/^put .* v1$/)).toBe(1);
  });

  test('attestations go with the image that they are about, and nested indexes are looked into', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const amd64 = buildImage(draft, APP, undefined, { platform: 'linux/amd64' });
    const arm64 = buildImage(draft, APP, undefined, { platform: 'linux/arm64' });
    const attest = (of: { digest: string }, name: string) => ({
      of: draft.addArtifact({ name }),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': of.digest,
      },
    });
    const [ofAmd64, ofArm64] = [attest(amd64, 'of amd64'), attest(arm64, 'of arm64')];
    const inner = draft.addIndex(undefined, [
      { of: amd64, platform: { os: 'linux', architecture: 'amd64' } },
      { of: arm64, platform: { os: 'linux', architecture: 'arm64' } },
      ofAmd64,
      ofArm64,
    ]);
    const outer = draft.addIndex('v1', [{ of: inner }]);
    await site.push(APP, draft);
    const peer = new StrictPeer({ takesSparse: true });
    await openStage(site, peer).run('v1', { rule: AMD64 });
    expect(manifestsOf(peer)).toEqual(new Set([amd64.digest, ofAmd64.of.digest, inner.digest, outer.digest]));
  });

  test('a peer that refuses a part gets all, and from then on at once', async () => {
    await using site = await openSite();
    const first = await pushIndex(site, 'v1', 1);
    await pushIndex(site, 'v2', 5);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const result = await stage.run('v1', { rule: AMD64 });
    expect(result).toMatchObject({ outcome: 'copied', isSparseRefused: true, sentBlobs: 4 });
    expect(peer.count(/^put .* v1$/)).toBe(2);
    // The index itself went over the line twice, everything else once.
    expect(peer.receivedBytes).toBe(first.draft.sizeBytes + first.index.bytes.length);
    expect(await stage.run('v2', { rule: AMD64 })).toMatchObject({ outcome: 'copied', isSparseRefused: true });
    expect(peer.count(/^put .* v2$/)).toBe(1);
    expect(await stage.run('v2', { rule: AMD64 })).toMatchObject({ outcome: 'present', isSparseRefused: false });
  });

  test('a refusal that is about something else stays one', async () => {
    await using site = await openSite();
    await pushIndex(site, 'v1');
    const peer = new StrictPeer({ takesSparse: true });
    peer.before = (question) => {
      if (question === `put ${APP} v1`) peer.refuse(403, 'DENIED');
    };
    const stage = openStage(site, peer);
    await expect(stage.run('v1', { rule: AMD64 })).rejects.toMatchObject({ code: 'REFUSED', reason: 'DENIED' });
    expect(peer.count(/^put .* v1$/)).toBe(1);
  });

  test('a peer that needs all does not get what is not here, and the error says so', async () => {
    await using site = await openSite();
    const { arm64, index } = await pushIndex(site, 'v1', 1, [arm64Of(1)]);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    for (const _ of ['first', 'again']) {
      await expect(stage.run('v1', { rule: AMD64 })).rejects.toMatchObject({
        code: 'REFUSED',
        status: 404,
        message: expect.stringMatching(`all their manifests, and ${arm64.digest} of ${index.digest} is not here`),
      });
    }
    expect(peer.at(APP).tags.size).toBe(0);
  });

  test('one that has none of them is sent as it is', async () => {
    await using site = await openSite();
    const { index } = await pushIndex(site, 'v1');
    const peer = new StrictPeer({ takesSparse: true });
    const result = await openStage(site, peer).run('v1', { rule: ruleWith({ platforms: ['windows/amd64'] }) });
    expect(result).toMatchObject({ outcome: 'copied', sentBytes: index.bytes.length });
  });

  test('the digest of an image that is not for them sends nothing', async () => {
    await using site = await openSite();
    const { amd64, arm64 } = await pushIndex(site, 'v1');
    const peer = new StrictPeer({ takesSparse: true });
    const stage = openStage(site, peer);
    await stage.run('v1', { rule: AMD64 });
    expect(await stage.run(amd64.digest, { rule: AMD64 })).toMatchObject({ outcome: 'present', sentBytes: 0 });
    expect(await stage.run(arm64.digest, { rule: AMD64 })).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });
});

describe('a part of what another site has', () => {
  test('is passed on as such', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const { images, digest } = buildIndex(draft, APP, undefined, { layers: [2000] });
    const [here, absent] = images;
    await site.push(APP, draft, { without: [absent?.digest ?? '', digest] });
    const root = draft.manifests.find((each) => each.digest === digest);
    const origin = { site: 'us-west', sequence: 3, clock: { ms: Date.now(), count: 0 } };
    if (root) await site.pushFrom(origin, APP, { ...root, tag: 'v1' });
    const peer = new StrictPeer({ site: 'us-east' });
    expect(await openStage(site, peer).run('v1')).toMatchObject({ outcome: 'copied' });
    expect(manifestsOf(peer)).toEqual(new Set([here?.digest, digest]));
    expect(peer.origins.get(`${APP} v1`)).toMatchObject({ site: 'us-west', sequence: 3 });
  });
});

/** The image of the second platform of an index that is not made yet. */
function arm64Of(seed: number): string {
  const { images } = buildIndex(new Draft(), APP, undefined, { layers: [2000], seed });
  return images[1]?.digest ?? '';
}
