import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { buildImage, buildIndex } from '../../support/images.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { APP, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { ruleWith } from '../support/site.ts';
import { StrictPeer } from '../support/strict-peer.ts';
import { openSite, type TestSite } from '../support/test-site.ts';

const NGINX = 'docker.io/library/nginx';
const JOB = { repository: NGINX };

/** As clients pull it: a tag's manifest, or some more. */
async function pull({ registry }: TestSite, { tag, digests = [] }: { tag: string; digests?: readonly string[] }) {
  const repository = registry.upstreams.repositoryNamed(NGINX);
  if (!repository) throw new Error('the site has no such upstream');
  await registry.manifests.get(repository, { kind: 'tag', tag }, 'whole');
  for (const digest of digests as readonly Digest[]) {
    await registry.manifests.get(repository, { kind: 'digest', digest }, 'whole');
  }
}

async function pullBlobs({ registry }: TestSite, digests: readonly string[]) {
  const repository = registry.upstreams.repositoryNamed(NGINX);
  if (!repository) throw new Error('the site has no such upstream');
  for (const digest of digests as readonly Digest[]) await registry.blobs.fetch(repository, digest, 'miss');
}

async function openProxy(): Promise<{ site: TestSite; origin: Origin } & AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin());
  const site = opened.use(await openSite({ origin }));
  const cleanup = opened.move();
  return { site, origin, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

describe('of a hosted image', () => {
  test('whose layer is not here what is here is sent, and no manifest', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [1000, 2000] });
    const [lost, stored] = image.layers;
    await site.push(APP, draft, { without: [lost ?? ''] });
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const result = await stage.run('v1');
    expect(result).toMatchObject({
      outcome: 'incomplete',
      digest: image.digest,
      missing: `blob ${lost}`,
      sentBlobs: 2,
    });
    expect(peer.at(APP).manifests.size + peer.at(APP).tags.size).toBe(0);
    expect(peer.at(APP).blobs.has(stored as Digest)).toBe(true);
    await site.push(APP, draft);
    expect(await stage.run('v1')).toMatchObject({ outcome: 'copied', sentBlobs: 1, presentBlobs: 2 });
  });

  test('a layer that the peer has need not be here', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await site.push(APP, draft, { without: image.layers });
    const peer = new StrictPeer();
    peer.at(APP).blobs.add(image.layers[0] as Digest);
    expect(await openStage(site, peer).run('v1')).toMatchObject({ outcome: 'copied', sentBlobs: 1, presentBlobs: 1 });
  });

  test('of an index that lacks a child the others are sent, and the index is not', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1');
    const [one, other] = index.images;
    await site.push(APP, draft, { without: [other?.digest ?? ''] });
    const peer = new StrictPeer({ takesSparse: true });
    const result = await openStage(site, peer).run('v1');
    expect(result).toMatchObject({ outcome: 'incomplete', missing: `manifest ${other?.digest}` });
    expect([...peer.at(APP).manifests.keys()]).toEqual([one?.digest]);
    expect(peer.at(APP).tags.size).toBe(0);
  });

  test('where manifests may name what is not here, an index is sent without it', async () => {
    await using site = await openSite({ hostedRules: [{ repositories: ['sparse/**'], sparse: true }] });
    const draft = new Draft();
    const index = buildIndex(draft, 'sparse/app', 'v1');
    await site.push('sparse/app', draft, { without: [index.images[1]?.digest ?? ''] });
    const peer = new StrictPeer({ takesSparse: true });
    expect(await openStage(site, peer).run('v1', { repository: 'sparse/app' })).toMatchObject({ outcome: 'copied' });
  });

  test('whose manifest was lost the manifest is missing', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    await site.store.remove(image.digest as Digest);
    const peer = new StrictPeer();
    expect(await openStage(site, peer).run('v1')).toMatchObject({
      outcome: 'incomplete',
      digest: image.digest,
      missing: `manifest ${image.digest}`,
    });
  });

  test('what was damaged here is found out by the peer, and is missing then', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [2000] });
    await site.push(APP, draft);
    const [layer = ''] = image.layers;
    await site.damage(layer as Digest);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    expect(await stage.run('v1')).toMatchObject({ outcome: 'incomplete', missing: `blob ${layer}` });
    expect((await site.index.findBlob(APP, layer as Digest)).isStored).toBe(false);
  });
});

describe('a part that comes later than the indexes that list it', () => {
  test.each([
    ['of which the rule takes one', undefined, true],
    ['of which the rule takes one, with a tag of its own that it does not take', 'amd64', true],
    ['of which the rule takes none', undefined, false],
  ])('%s', async (_, ownTag, isTaken) => {
    await using site = await openSite({ hostedRules: [{ repositories: ['sparse/**'], sparse: true }] });
    const repository = 'sparse/app';
    const draft = new Draft();
    const part = buildImage(draft, repository, ownTag, { layers: [1000] });
    const other = draft.addArtifact({ name: 'other' });
    draft.addIndex(isTaken ? 'v1' : 'old', [{ of: part }, { of: other }]);
    // What was pushed last is looked at first.
    for (const name of ['1', '2']) {
      const of = draft.addArtifact({ name });
      draft.addIndex(`nightly-${name}`, [{ of: part }, { of }]);
    }
    await site.push(repository, draft, { without: [part.digest] });
    const job = { repository, rule: ruleWith({ repositories: ['**'], tags: ['v*'] }) };
    const peer = new StrictPeer({ takesSparse: true });
    const stage = openStage(site, peer);
    expect(await stage.run('v1', job)).toMatchObject({ outcome: isTaken ? 'copied' : 'vanished' });
    const late = new Draft();
    buildImage(late, repository, ownTag, { layers: [1000] });
    await site.push(repository, late);
    expect(await stage.run(part.digest, job)).toMatchObject({ outcome: isTaken ? 'copied' : 'present' });
    expect(peer.at(repository).manifests.has(part.digest as Digest)).toBe(isTaken);
    expect([...peer.at(repository).tags.keys()]).toEqual(isTaken ? ['v1'] : []);
  });
});

describe('of an image that an upstream has', () => {
  test('an index of which no image is here yet is waited for, and then sent with those that are', async () => {
    await using stage = await openProxy();
    const { site, origin } = stage;
    const index = buildIndex(origin, 'library/nginx', 'v1', { layers: [1000] });
    const [amd64] = index.images;
    await pull(site, { tag: 'v1' });
    const peer = new StrictPeer({ takesSparse: true });
    const jobs = openStage(site, peer);
    const missing = `manifest ${amd64?.digest}, manifest ${index.images[1]?.digest}`;
    expect(await jobs.run('v1', JOB)).toMatchObject({ outcome: 'incomplete', missing });
    await pull(site, { tag: 'v1', digests: [amd64?.digest ?? ''] });
    expect(await jobs.run('v1', JOB)).toMatchObject({ outcome: 'incomplete' });
    await pullBlobs(site, [amd64?.config ?? '', ...(amd64?.layers ?? [])]);
    expect(await jobs.run('v1', JOB)).toMatchObject({ outcome: 'copied' });
    expect([...peer.at(NGINX).manifests.keys()]).toEqual([amd64?.digest, index.digest]);
  });

  test('an image that is pulled later goes to the peer by its digest', async () => {
    await using stage = await openProxy();
    const { site, origin } = stage;
    const index = buildIndex(origin, 'library/nginx', 'v1', { layers: [1000] });
    const [amd64, arm64] = index.images;
    const peer = new StrictPeer({ takesSparse: true });
    const jobs = openStage(site, peer);
    for (const image of [amd64, arm64]) {
      await pull(site, { tag: 'v1', digests: [image?.digest ?? ''] });
      await pullBlobs(site, [image?.config ?? '', ...(image?.layers ?? [])]);
      expect(await jobs.run(image?.digest ?? '', JOB)).toMatchObject({ outcome: 'copied', digest: image?.digest });
      expect(peer.at(NGINX).manifests.has(image?.digest as Digest)).toBe(true);
      expect(peer.at(NGINX).tags.get('v1')).toBe(index.digest);
    }
    expect(peer.count(/^put .* v1$/)).toBe(1);
  });

  test('what is missing is fetched where the job may', async () => {
    await using stage = await openProxy();
    const { site, origin } = stage;
    const index = buildIndex(origin, 'library/nginx', 'v1', { layers: [1000] });
    await pull(site, { tag: 'v1' });
    const peer = new StrictPeer();
    const result = await openStage(site, peer).run('v1', { ...JOB, mayFetch: true });
    expect(result).toMatchObject({ outcome: 'copied', sentBlobs: 4, digest: index.digest });
    expect(peer.at(NGINX).manifests.size).toBe(3);
  });

  test('what an upstream does not give just now is waited for, and the reason told', async () => {
    await using stage = await openProxy();
    const { site, origin } = stage;
    const index = buildIndex(origin, 'library/nginx', 'v1', { layers: [1000] });
    const [amd64] = index.images;
    await pull(site, { tag: 'v1', digests: [amd64?.digest ?? ''] });
    await origin.stop();
    const peer = new StrictPeer();
    const result = await openStage(site, peer).run('v1', { ...JOB, mayFetch: true });
    expect(result.outcome).toBe('incomplete');
    expect(result.missing).toMatch(/^manifest sha256:\w+ \(docker\.io: .+\), blob sha256:\w+ \(docker\.io: /);
  });

  test('a peer that may have pulled the manifest alone is asked for the blobs', async () => {
    await using stage = await openProxy();
    const { site, origin } = stage;
    const image = buildImage(origin, 'library/nginx', 'v1', { layers: [1000] });
    await pull(site, { tag: 'v1' });
    await pullBlobs(site, [image.config, ...image.layers]);
    const peer = new StrictPeer({ site: 'us-east' });
    const jobs = openStage(site, peer);
    await jobs.run('v1', JOB);
    peer.at(NGINX).blobs.clear();
    expect(await jobs.run('v1', JOB)).toMatchObject({ outcome: 'copied', sentBlobs: 2 });
    expect(await jobs.run('v1', JOB)).toMatchObject({ outcome: 'present', presentBlobs: 2, sentBytes: 0 });
    expect(peer.count(/^put .* v1$/)).toBe(1);
  });

  test('reading it here is no use of it', async () => {
    await using stage = await openProxy();
    const { site, origin } = stage;
    const image = buildImage(origin, 'library/nginx', 'v1', { layers: [1000] });
    await pull(site, { tag: 'v1' });
    await pullBlobs(site, [image.config, ...image.layers]);
    await site.index.flushUses();
    const before = await site.index.oldestRoots({ limit: 10 });
    await openStage(site, new StrictPeer()).run('v1', JOB);
    await site.index.flushUses();
    expect(await site.index.oldestRoots({ limit: 10 })).toEqual(before);
  });
});
