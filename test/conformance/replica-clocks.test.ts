import { afterAll, describe, expect, test } from 'vitest';
import { type Origin, startOrigin } from '../support/origin.ts';
import { expectContent, expectError, expectGone, expectManifest } from './support/expect.ts';
import { INDEX } from './support/manifests.ts';
import { pushManifest } from './support/push.ts';
import { change, digestOfManifest, manifestOf, OURS, remove, replicate, THEIRS } from './support/replicas.ts';
import { type Client, send } from './support/send.ts';
import { asUser, at, atMirror, setStage } from './support/stage.ts';

let origin: Origin;
const stage = setStage(async () => {
  origin = await startOrigin({ allowUnexpected: true });
  return { origin };
});
afterAll(async () => origin[Symbol.asyncDispose]());

/** Who replicates, in a hosted repository of its own. */
function peerAt(): Client {
  return asUser(stage.client('local/replicas'), 'peer');
}

async function countConflicts(): Promise<number> {
  const text = await (await fetch(`${stage.server.adminUrl}/metrics`)).text();
  return Number(/^entrepot_replication_conflicts_total\{.*\} (\d+)$/m.exec(text)?.[1]);
}

describe.each(['local/replicas', 'docker.io/library'])('by which change a tag in %s was set', (folder) => {
  const place = () => asUser(stage.client(folder), 'peer');

  test('is told to who replicates, at both doors', async () => {
    const own = place();
    await replicate(own, 'v1', OURS, change(-10, digestOfManifest(THEIRS)));
    const set = change(-5, digestOfManifest(THEIRS));
    await replicate(own, 'v1', OURS, set);
    for (const peer of [own, atMirror(stage, own)]) {
      const headers = { 'If-None-Match': '*' };
      for (const answer of [
        await send(peer, 'HEAD', 'manifests/v1'),
        await send(peer, 'GET', 'manifests/v1'),
        await send(peer, 'HEAD', 'manifests/v1', { headers: { 'Cache-Control': 'only-if-cached' } }),
        await send(peer, 'HEAD', 'manifests/v1', { headers }),
      ]) {
        expect([200, 304]).toContain(answer.status);
        expect(answer.headers['entrepot-origin']).toBe(set['Entrepot-Origin']);
      }
      const byDigest = await send(peer, 'HEAD', `manifests/${digestOfManifest(OURS)}`);
      expect([byDigest.status, byDigest.headers['entrepot-origin']]).toEqual([200, undefined]);
      expect((await send(peer, 'HEAD', 'manifests/none')).headers['entrepot-origin']).toBe(undefined);
    }
  });

  test('is told to nobody else', async () => {
    const peer = place();
    await replicate(peer, 'v1', OURS, change(-1));
    for (const user of ['ci', 'rita', undefined]) {
      const client = asUser(peer, user);
      for (const door of [client, atMirror(stage, client)]) {
        for (const method of ['HEAD', 'GET']) {
          const answer = await send(door, method, 'manifests/v1');
          expect(answer.headers['entrepot-origin']).toBe(undefined);
        }
      }
    }
    expect((await send(atMirror(stage, asUser(peer, undefined)), 'HEAD', 'manifests/v1')).status).toBe(200);
  });
});

test('of a tag that was pushed here this site is told to who replicates', async () => {
  const peer = peerAt();
  const startedAtMs = Date.now();
  await pushManifest(asUser(peer, 'ci'), 'v1', OURS);
  const { headers } = await send(peer, 'HEAD', 'manifests/v1');
  const [, site, ms] =
    /^site=([^;]+); sequence=\d+; clock=(\d+)\.\d+$/.exec(headers['entrepot-origin'] as string) ?? [];
  expect(site).toBe((await send(peer, 'GET', '/v2/')).headers['entrepot-site']);
  expect(Number(ms)).toBeGreaterThanOrEqual(startedAtMs);
});

describe('of two changes of a tag', () => {
  test('the later one counts, whichever comes first', async () => {
    const peer = peerAt();
    const [first, second, third] = [manifestOf('1'), manifestOf('2'), manifestOf('3')];
    expect((await replicate(peer, 'v1', second, change(-10))).headers['entrepot-kept']).toBe(undefined);
    const late = await replicate(peer, 'v1', first, change(-20));
    expect([late.status, late.headers['entrepot-kept']]).toEqual([201, digestOfManifest(second)]);
    await expectManifest(peer, second, INDEX, 'v1');
    // What lost is there all the same.
    await expectManifest(peer, first, INDEX);
    const newer = await replicate(peer, 'v1', third, change(-5, digestOfManifest(second)));
    expect([newer.status, newer.headers['entrepot-kept']]).toEqual([201, undefined]);
    await expectManifest(peer, third, INDEX, 'v1');
  });

  test('one that comes twice counts once', async () => {
    const peer = peerAt();
    const headers = change(-10);
    for (let time = 0; time < 2; time += 1) {
      const answer = await replicate(peer, 'v1', OURS, headers);
      expect([answer.status, answer.headers['entrepot-kept']]).toEqual([201, undefined]);
    }
    await expectManifest(peer, OURS, INDEX, 'v1');
  });

  test('at the same time the same one counts everywhere', async () => {
    const [one, other] = [peerAt(), peerAt()];
    const ms = Date.now() - 60_000;
    const from = (site: string) => ({ 'Entrepot-Origin': `site=${site}; sequence=1; clock=${ms}.0` });
    await replicate(one, 'v1', OURS, from('ap-south'));
    await replicate(one, 'v1', THEIRS, from('us-east'));
    await replicate(other, 'v1', THEIRS, from('us-east'));
    await replicate(other, 'v1', OURS, from('ap-south'));
    for (const peer of [one, other]) await expectManifest(peer, THEIRS, INDEX, 'v1');
  });

  test('a push here counts as one of now', async () => {
    const peer = peerAt();
    const ci = asUser(peer, 'ci');
    await pushManifest(ci, 'v1', OURS);
    expect((await replicate(peer, 'v1', THEIRS, change(-1))).headers['entrepot-kept']).toBe(digestOfManifest(OURS));
    await expectManifest(peer, OURS, INDEX, 'v1');
    expect((await replicate(peer, 'v1', THEIRS, change(1))).headers['entrepot-kept']).toBe(undefined);
    await expectManifest(peer, THEIRS, INDEX, 'v1');
    // Whoever pushes is never told that something else was later.
    await pushManifest(ci, 'v1', OURS);
    await expectManifest(peer, OURS, INDEX, 'v1');
  });

  test('a later deletion stays, and an earlier one does nothing', async () => {
    const peer = peerAt();
    await replicate(peer, 'v1', OURS, change(-10));
    const early = await remove(peer, 'v1', change(-20));
    expect([early.status, early.headers['entrepot-kept']]).toEqual([202, digestOfManifest(OURS)]);
    await expectManifest(peer, OURS, INDEX, 'v1');
    expect((await remove(peer, 'v1', change(-5))).status).toBe(202);
    const late = await replicate(peer, 'v1', THEIRS, change(-8));
    expect([late.status, late.headers['entrepot-kept']]).toEqual([201, 'deleted']);
    await expectGone(peer, 'manifests/v1');
    await expectManifest(peer, THEIRS, INDEX);
    expectError(await remove(peer, 'v1', change(-4)), 404, 'MANIFEST_UNKNOWN');
    expect((await replicate(peer, 'v1', THEIRS, change(-3))).headers['entrepot-kept']).toBe(undefined);
    await expectManifest(peer, THEIRS, INDEX, 'v1');
  });

  test('a manifest stays with a tag that was set later than it was deleted', async () => {
    const peer = peerAt();
    await replicate(peer, 'v1', OURS, change(-10));
    const digest = digestOfManifest(OURS);
    const early = await remove(peer, digest, change(-20));
    expect([early.status, early.headers['entrepot-kept']]).toEqual([202, digest]);
    await expectManifest(peer, OURS, INDEX, 'v1');
    const late = await remove(peer, digest, change(-5));
    expect([late.status, late.headers['entrepot-kept']]).toEqual([202, undefined]);
    await expectGone(peer, `manifests/${digest}`);
  });

  test('each tag of a push is judged by itself', async () => {
    const peer = peerAt();
    await replicate(peer, 'old', OURS, change(-20));
    await replicate(peer, 'new', OURS, change(-5));
    const answer = await replicate(peer, 'old?tag=new&tag=other', THEIRS, change(-10, digestOfManifest(OURS)));
    expect([answer.headers['entrepot-kept'], answer.headers['oci-tag']]).toEqual([undefined, 'other']);
    const kept = await replicate(peer, 'new', THEIRS, change(-10, digestOfManifest(OURS)));
    expect(kept.headers['entrepot-kept']).toBe(digestOfManifest(OURS));
    for (const [tag, content] of [
      ['old', THEIRS],
      ['new', OURS],
      ['other', THEIRS],
    ] as const) {
      await expectManifest(peer, content, INDEX, tag);
    }
  });

  test('in a repository of an upstream too', async () => {
    const peer = at(peerAt(), 'docker.io/library/replicated');
    await replicate(peer, 'v1', OURS, change(-10));
    const late = await replicate(peer, 'v1', THEIRS, change(-20));
    expect([late.status, late.headers['entrepot-kept']]).toEqual([201, digestOfManifest(OURS)]);
    expectContent(await send(peer, 'GET', 'manifests/v1'), digestOfManifest(OURS), INDEX);
    // To know the digest of what lost moves no tag.
    await expectManifest(peer, THEIRS, INDEX);
    expectContent(await send(peer, 'GET', 'manifests/v1'), digestOfManifest(OURS), INDEX);
  });

  test('in a repository of an upstream that has the last word: how old it is counts from when the other site was told', async () => {
    const peer = at(peerAt(), 'docker.io/library/aging');
    const upstreams = manifestOf('what the upstream says');
    for (const tag of ['young', 'old', 'gone']) await replicate(peer, tag, OURS, change(tag === 'young' ? -1 : -60));
    origin.addManifest('library/aging', 'young', upstreams, INDEX);
    origin.addManifest('library/aging', 'old', upstreams, INDEX);
    const young = await send(peer, 'GET', 'manifests/young');
    expectContent(young, digestOfManifest(OURS), INDEX);
    expect(Number(young.headers['age'])).toBeGreaterThanOrEqual(60);
    expectContent(await send(peer, 'GET', 'manifests/old'), digestOfManifest(upstreams), INDEX);
    // What the upstream does not have, or cannot be asked for, is served as it came.
    expectContent(await send(peer, 'GET', 'manifests/gone'), digestOfManifest(OURS), INDEX);
  });

  test('those at two sites at once are counted', async () => {
    const peer = peerAt();
    const before = await countConflicts();
    await replicate(peer, 'v1', OURS, change(-10));
    await replicate(peer, 'v1', THEIRS, change(-5, digestOfManifest(OURS)));
    expect(await countConflicts()).toBe(before);
    await replicate(peer, 'v1', manifestOf('a third'), change(-4, undefined, 'ap-south'));
    expect(await countConflicts()).toBe(before + 1);
  });

  test('those in a repository of an upstream are none: its tags come from there at every site', async () => {
    const before = await countConflicts();
    const peer = at(peerAt(), 'docker.io/library/shared');
    await replicate(peer, 'v1', OURS, change(-10));
    await replicate(peer, 'v1', THEIRS, change(-5, undefined, 'ap-south'));
    const late = await replicate(peer, 'v1', manifestOf('late'), change(-8, undefined, 'sa-north'));
    expect(late.headers['entrepot-kept']).toBe(digestOfManifest(THEIRS));
    await expectManifest(peer, THEIRS, INDEX, 'v1');
    await remove(peer, 'v1', change(-4, undefined, 'sa-north'));
    await expectGone(peer, 'manifests/v1');
    expect(await countConflicts()).toBe(before);
  });
});
