import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/bytes.ts';
import { buildImage, buildIndex } from '../../support/images.ts';
import { APP, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { StrictPeer } from '../support/strict-peer.ts';
import { openSite } from '../support/test-site.ts';

const MIB = 1024 * 1024;

describe('a copy that broke off', () => {
  test('goes on in the middle of a large blob, also after a restart', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [8 * MIB] });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const layer = image.layers[0] as Digest;
    const first = openStage(site, peer);
    peer.breaks.set(layer, 6 * MIB);
    await expect(first.run('v1')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(JSON.parse(first.progress ?? '')).toEqual({ [`${APP}@${layer}`]: expect.any(String) });
    expect(peer.at(APP).tags.size).toBe(0);
    // Nothing but what was saved is known.
    const second = openStage(site, peer);
    const result = await second.run('v1', { progress: first.progress });
    expect(result.outcome).toBe('copied');
    expect(second.progress).toBe(undefined);
    expect(peer.receivedBytes - draft.sizeBytes).toBe(0);
    expect(first.sentBytes + second.sentBytes).toBe(peer.receivedBytes);
  });

  test('is gone on with by another job in the same process', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [8 * MIB] });
    draft.addManifest(APP, 'v2', image.bytes, image.mediaType);
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    peer.breaks.set(image.layers[0] as Digest, 6 * MIB);
    const results = await Promise.allSettled([stage.run('v1'), stage.run('v2')]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(peer.receivedBlobBytes).toBe([...draft.blobs.values()].reduce((sum, { length }) => sum + length, 0));
  });

  test('notes nothing for small blobs', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: [MIB] });
    await site.push(APP, draft);
    const stage = openStage(site, new StrictPeer());
    await stage.run('v1');
    expect(stage.saves).toBe(0);
  });

  test('begins anew with progress that means nothing', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1', { layers: [5 * MIB] });
    await site.push(APP, draft);
    const junk = ['', '{', '[]', 'null', '{"a":1}', JSON.stringify({ [image.layers[0] ?? '']: 'unknown' })];
    for (const progress of junk) {
      const peer = new StrictPeer();
      expect(await openStage(site, peer).run('v1', { progress })).toMatchObject({ outcome: 'copied' });
      expect(peer.receivedBytes).toBe(draft.sizeBytes);
    }
  });

  test('starts no more blobs after a failure, and waits for those under way', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: Array.from({ length: 20 }, (_, number) => 1000 + number) });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    let pushes = 0;
    peer.before = (question) => {
      if (!question.startsWith('push')) return;
      pushes += 1;
      if (pushes === 1) peer.refuse(413, 'TOO_LARGE');
    };
    await expect(openStage(site, peer).run('v1')).rejects.toMatchObject({ code: 'REFUSED', status: 413 });
    expect(pushes).toBeLessThanOrEqual(4);
    const asked = peer.asked.length;
    await new Promise(setImmediate);
    expect(peer.asked.length).toBe(asked);
    expect(peer.at(APP).manifests.size).toBe(0);
  });

  test('ends at once when it is given up, also while it waits for another job', async () => {
    await using site = await openSite();
    const draft = new Draft();
    buildImage(draft, APP, 'v1', { layers: [2000] });
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    peer.before = async (question) => {
      if (!question.startsWith('push')) return;
      reached.resolve();
      await gate.promise;
    };
    const first = stage.run('v1');
    await reached.promise;
    const giveUp = new AbortController();
    const second = stage.run('v1', { signal: giveUp.signal });
    const reason = new Error('given up');
    giveUp.abort(reason);
    await expect(second).rejects.toBe(reason);
    gate.resolve();
    expect(await first).toMatchObject({ outcome: 'copied' });
    expect(await stage.run('v1')).toMatchObject({ outcome: 'present' });
  });
});

describe('two jobs for the same tag', () => {
  test('take turns: what is older never comes after what is newer', async () => {
    await using site = await openSite();
    const old = new Draft();
    buildImage(old, APP, 'v1', { layers: [2000], seed: 1 });
    await site.push(APP, old);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const newer = new Draft();
    const image = buildImage(newer, APP, 'v1', { layers: [1000], seed: 2 });
    let isPushed = false;
    peer.before = async (question) => {
      if (isPushed || !question.startsWith('push')) return;
      isPushed = true;
      await site.push(APP, newer);
    };
    await Promise.all([stage.run('v1'), stage.run('v1')]);
    expect(peer.at(APP).tags.get('v1')).toBe(image.digest);
    const puts = peer.asked.flatMap((question, at) => (question === `put ${APP} v1` ? [at] : []));
    const heads = peer.asked.flatMap((question, at) => (question === `head ${APP} v1` ? [at] : []));
    expect(puts).toHaveLength(2);
    expect(heads[1]).toBeGreaterThan(puts[0] ?? 0);
  });
});

describe('a peer', () => {
  test('that breaks every upload in the middle gets all in the end, sent hardly more than once', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1', { layers: [5 * MIB, 300_000] });
    draft.addBlob(seededBytes(10, 1));
    await site.push(APP, draft);
    const peer = new StrictPeer();
    let progress: string | undefined;
    for (const { layers } of index.images) peer.breaks.set(layers[0] as Digest, 3 * MIB);
    for (let tries = 1; ; tries += 1) {
      const stage = openStage(site, peer);
      const result = await stage.run('v1', { progress }).catch(() => undefined);
      progress = stage.progress ?? progress;
      if (result) break;
      expect(tries).toBeLessThan(10);
    }
    expect(peer.at(APP).tags.get('v1')).toBe(index.digest);
    expect(peer.receivedBytes).toBeLessThanOrEqual(draft.sizeBytes * 1.02);
  });
});
