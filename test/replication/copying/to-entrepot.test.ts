import { describe, expect, test } from 'vitest';
import { digestHex, type Digest } from '../../../src/oci/digest.ts';
import { buildImage, buildIndex } from '../../support/images.ts';
import { startOrigin } from '../../support/origin.ts';
import { APP, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { ruleWith } from '../support/site.ts';
import { openSite } from '../support/test-site.ts';
import { connect, openTwoSites, statusOf } from '../support/two-sites.ts';

describe('from one entrepot to another', () => {
  test('a tag comes with all that is below it and attached to it, and is not sent twice', async () => {
    await using sites = await openTwoSites();
    const { here, stage } = sites;
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1', { layers: [3000, 1_000_000] });
    const signature = draft.addArtifact({ name: 'signature', subject: index });
    const tag = `sha256-${digestHex(index.digest as Digest)}.sig`;
    draft.addArtifact({ name: 'by tag', tag });
    await here.push(APP, draft);
    const result = await stage.run('v1');
    expect(result).toMatchObject({ outcome: 'copied', digest: index.digest, sentBytes: draft.sizeBytes });
    for (const { layers, config } of index.images) {
      for (const blob of [config, ...layers]) expect(await statusOf(sites, `${APP}/blobs/${blob}`)).toBe(200);
    }
    for (const reference of ['v1', tag]) expect(await statusOf(sites, `${APP}/manifests/${reference}`)).toBe(200);
    const referrers = await fetch(`${sites.there.url}/v2/${APP}/referrers/${index.digest}`);
    expect(await referrers.json()).toMatchObject({ manifests: [{ digest: signature.digest }] });
    expect(await stage.run('v1')).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });

  test('a part of an index is enough', async () => {
    await using sites = await openTwoSites();
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1', { layers: [3000] });
    await sites.here.push(APP, draft);
    const result = await sites.stage.run('v1', { rule: ruleWith({ platforms: ['linux/arm64'] }) });
    expect(result).toMatchObject({ outcome: 'copied', isSparseRefused: false, sentBlobs: 2 });
    const [amd64, arm64] = index.images;
    expect(await statusOf(sites, `${APP}/manifests/v1`)).toBe(200);
    expect(await statusOf(sites, `${APP}/manifests/${arm64?.digest}`)).toBe(200);
    expect(await statusOf(sites, `${APP}/manifests/${amd64?.digest}`)).toBe(404);
  });

  test('the same blob in another repository is mounted, by another run too', async () => {
    await using sites = await openTwoSites();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: [50_000] });
    await sites.here.push(APP, draft);
    await sites.here.push('local/other', draft);
    await sites.stage.run('v1');
    const another = openStage(sites.here, sites.peer);
    const result = await another.run('v1', { repository: 'local/other' });
    expect(result).toMatchObject({ outcome: 'copied', mountedBlobs: 2, sentBlobs: 0 });
  });

  test('a tag that was set later there stays, and one that was deleted here goes', async () => {
    await using sites = await openTwoSites();
    const { here, stage } = sites;
    const old = new Draft();
    const first = buildImage(old, APP, 'v1', { seed: 1 });
    await here.push(APP, old);
    const state = await here.index.findTagState(APP, 'v1');
    await stage.run('v1');
    await here.index.deleteTag(APP, 'v1', { actor: 'ci' });
    const tombstone = await here.index.findTombstone(APP, 'v1');
    expect(tombstone?.clock.ms).toBeGreaterThanOrEqual(state?.clock.ms ?? Infinity);
    expect(await stage.run('v1', { deleted: first.digest as Digest })).toMatchObject({ outcome: 'deleted' });
    expect(await statusOf(sites, `${APP}/manifests/v1`)).toBe(404);
    // As a third site has it that has not heard of the deletion.
    await using third = await openSite({ name: 'third' });
    const manifest = old.manifests[0];
    await third.push(APP, old, { without: [first.digest] });
    if (manifest && state) {
      const origin = { site: 'here', sequence: state.sequence, clock: state.clock };
      await third.pushFrom(origin, APP, manifest);
    }
    expect(await openStage(third, sites.peer).run('v1')).toMatchObject({ outcome: 'kept' });
    expect(await statusOf(sites, `${APP}/manifests/v1`)).toBe(404);
    expect(await statusOf(sites, `${APP}/manifests/${first.digest}`)).toBe(200);
  });

  test('a manifest that was deleted here goes, with the tags that went with it', async () => {
    await using sites = await openTwoSites();
    const { here, stage } = sites;
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await here.push(APP, draft);
    await stage.run('v1');
    const digest = image.digest as Digest;
    await here.index.deleteManifest(APP, digest, { actor: 'ci' });
    expect(await stage.run(digest, { deleted: digest })).toMatchObject({ outcome: 'deleted' });
    expect(await statusOf(sites, `${APP}/manifests/v1`)).toBe(404);
    expect(await statusOf(sites, `${APP}/manifests/${digest}`)).toBe(404);
    expect(await stage.run('v1', { deleted: digest })).toMatchObject({ outcome: 'absent' });
  });

  test('what an upstream has is there without it', async () => {
    await using origin = await startOrigin();
    await using sites = await openTwoSites({ origin });
    const index = buildIndex(origin, 'library/nginx', 'v1', { layers: [20_000] });
    const { registry } = sites.here;
    const repository = registry.upstreams.repositoryNamed('docker.io/library/nginx');
    if (!repository) throw new Error('the site has no such upstream');
    await registry.manifests.get(repository, { kind: 'tag', tag: 'v1' }, 'whole');
    const job = { repository: repository.name, mayFetch: true };
    expect(await sites.stage.run('v1', job)).toMatchObject({ outcome: 'copied', sentBlobs: 4 });
    await origin.stop();
    for (const { digest, layers } of index.images) {
      expect(await statusOf(sites, `${repository.name}/manifests/${digest}`)).toBe(200);
      for (const layer of layers) expect(await statusOf(sites, `${repository.name}/blobs/${layer}`)).toBe(200);
    }
    expect(await statusOf(sites, `${repository.name}/manifests/v1`)).toBe(200);
    expect(await sites.stage.run('v1', job)).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });

  test('a large blob that broke off goes on where it was, also after a restart', async () => {
    await using sites = await openTwoSites();
    const { here, stage } = sites;
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [16 * 1024 * 1024] });
    await here.push(APP, draft);
    const giveUp = new AbortController();
    const stopped = new Error('stopped');
    const half = 8 * 1024 * 1024;
    stage.onSent = (bytes) => {
      if (bytes >= half) giveUp.abort(stopped);
    };
    const error = await stage.run('v1', { signal: giveUp.signal }).catch((thrown: unknown) => thrown as Error);
    // Whether it was sending or reading, it gave up for that reason.
    expect([error, (error as Error).cause]).toContain(stopped);
    expect(stage.progress).toContain(image.layers[0]);
    await using again = connect(sites);
    const next = openStage(here, again);
    expect(await next.run('v1', { progress: stage.progress })).toMatchObject({ outcome: 'copied' });
    expect(stage.sentBytes + next.sentBytes).toBeLessThan(draft.sizeBytes * 1.25);
    expect(await statusOf(sites, `${APP}/blobs/${image.layers[0]}`)).toBe(200);
  });
});
