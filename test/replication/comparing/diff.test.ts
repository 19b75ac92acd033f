import { describe, expect, test } from 'vitest';
import { digestHex, digestOf } from '../../../src/oci/digest.ts';
import { diff, type DiffRequest } from '../../../src/replication/comparing/diff.ts';
import type { DiffProgress, DiffReport } from '../../../src/replication/replication-operations.ts';
import { UpstreamError } from '../../../src/upstream/upstream-error.ts';
import { digestFor, ScriptedPeer } from '../support/scripted-peer.ts';
import { APP, openSite, ruleWith, type Site } from '../support/site.ts';

const FOREVER = new AbortController().signal;

/** A site and a peer that has all of `names` as tags of themselves. */
async function setStage(...names: string[]): Promise<{ site: Site; peer: ScriptedPeer } & AsyncDisposable> {
  const site = await openSite();
  const peer = new ScriptedPeer();
  for (const name of names) peer.put(APP, name, await site.add({ name }));
  return { site, peer, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
}

function compare(site: Site, request: Partial<DiffRequest> & Pick<DiffRequest, 'peer'>): Promise<DiffReport> {
  return diff(site, { rules: [ruleWith()], ...request }, { signal: FOREVER, onProgress: () => undefined });
}

/** Differences as `kind tag`. */
function told({ differences }: DiffReport): string[] {
  return differences.map(({ kind, tag }) => `${kind} ${tag}`);
}

describe('a diff of two sites', () => {
  test('tells what is missing, different, deleted and extra at the peer', async () => {
    await using stage = await setStage('same');
    const { site, peer } = stage;
    const missing = await site.add({ name: 'missing' });
    const moved = await site.add({ name: 'moved' });
    const nameless = await site.add({ name: 'nameless', tags: [] });
    const deleted = await site.add({ name: 'deleted' });
    await site.untag('deleted');
    for (const tag of ['moved', 'extra', 'deleted']) peer.put(APP, tag, digestFor(`other ${tag}`));
    peer.put(APP, deleted, deleted);
    const report = await compare(site, { peer });
    const about = { rule: 'all', peer: 'us-east', repository: APP };
    expect(report).toEqual({
      peer: 'us-east',
      repositories: 1,
      repositoriesDone: 1,
      tags: 7,
      same: 2,
      differenceCount: 5,
      differences: [
        { ...about, tag: 'missing', kind: 'missing', here: missing },
        { ...about, tag: 'moved', kind: 'different', here: moved, there: digestFor('other moved') },
        { ...about, tag: nameless, kind: 'missing', here: nameless },
        { ...about, tag: 'extra', kind: 'extra', there: digestFor('other extra') },
        { ...about, tag: 'deleted', kind: 'deleted', there: digestFor('other deleted') },
      ],
    });
  });

  test('tells what is left of a repository that is gone here', async () => {
    await using stage = await setStage('v1');
    const { site, peer } = stage;
    await site.index.deleteManifest(APP, digestFor('v1'), { actor: 'alice' });
    peer.put(APP, 'extra', digestFor('extra'));
    expect(told(await compare(site, { peer }))).toEqual(['deleted v1', 'extra extra']);
  });

  test('looks for a repository under its name at the peer, and for each rule on its own', async () => {
    await using stage = await setStage();
    const { site, peer } = stage;
    const digest = await site.add({ name: 'image', tags: ['v1', 'latest'] });
    peer.put('mirror/local/app', 'v1', digest);
    const rules = [ruleWith({ name: 'all', as: 'mirror/{repository}' }), ruleWith({ name: 'versions', tags: ['v*'] })];
    const report = await compare(site, { peer, rules });
    expect(report.differences).toMatchObject([
      { rule: 'all', tag: 'latest', kind: 'missing' },
      { rule: 'versions', tag: 'v1', kind: 'missing' },
    ]);
    expect(report).toMatchObject({ same: 1, tags: 3, repositories: 2, repositoriesDone: 2 });
  });

  test('passes over tags that the peer lists for its upstream and does not hold, and those that the rule leaves out', async () => {
    await using stage = await setStage('v1');
    const { site, peer } = stage;
    peer.put(APP, 'v2', digestFor('v2'));
    peer.put(APP, 'latest', digestFor('latest'));
    peer.listedOnly.set(APP, ['v3', 'v4', 'not a tag']);
    expect(told(await compare(site, { peer, rules: [ruleWith({ tags: ['v*'] })] }))).toEqual(['extra v2']);
    expect(peer.asked).not.toContain(`head ${APP} latest`);
  });

  test('finds signatures and referrers that the peer has lost, though the tags are the same', async () => {
    await using stage = await setStage('v1', 'latest');
    const { site, peer } = stage;
    const signature = `sha256-${digestHex(digestFor('v1'))}.sig`;
    await site.add({ name: 'signature', tags: [signature] });
    const sbom = await site.add({ name: 'sbom', tags: [], subject: digestFor('v1') });
    const rules = [ruleWith({ tags: ['v*'] })];
    expect(told(await compare(site, { peer, rules }))).toEqual([`missing ${signature}`, `missing ${sbom}`]);
    peer.put(APP, signature, digestFor('signature'));
    peer.put(APP, sbom, sbom);
    expect(await compare(site, { peer, rules })).toMatchObject({ same: 3, tags: 3, differences: [] });
  });

  test('takes the list of referrers for no extra tag, which a peer without their API has', async () => {
    await using stage = await setStage('v1');
    const { site, peer } = stage;
    const list = `sha256-${digestHex(digestFor('v1'))}`;
    const stray = `sha256-${digestHex(digestFor('unknown'))}`;
    for (const tag of [list, `${list}.sig`, stray]) peer.put(APP, tag, digestFor(tag));
    expect(told(await compare(site, { peer }))).toEqual([`extra ${list}.sig`, `extra ${stray}`]);
  });

  test('passes over a signature whose subject is on neither side', async () => {
    await using stage = await setStage();
    const { site, peer } = stage;
    const signature = `sha256-${digestHex(digestFor('image'))}.sig`;
    await site.add({ name: 'signature', tags: [signature] });
    expect(told(await compare(site, { peer }))).toEqual([]);
    peer.put(APP, digestFor('image'), digestFor('image'));
    expect(told(await compare(site, { peer }))).toEqual([`missing ${signature}`]);
  });

  test('fetches a manifest whose digest the peer does not tell', async () => {
    await using stage = await setStage('v1', 'v2');
    const { site, peer } = stage;
    peer.tellsDigest = false;
    peer.put(APP, 'v2', digestFor('other'));
    expect(await compare(site, { peer })).toMatchObject({ same: 1, differences: [{ kind: 'different', tag: 'v2' }] });
    expect(peer.asked.filter((question) => question.startsWith('get'))).toHaveLength(2);
  });

  test('knows a manifest again to which the peer gave a digest of another kind', async () => {
    await using stage = await setStage();
    const { site, peer } = stage;
    // What the peer of this test sends for every manifest.
    const same = digestOf(Buffer.from('{}'), 'sha512');
    await site.add({ name: 'v1', digest: same });
    await site.add({ name: 'v2', digest: digestOf(Buffer.from('other'), 'sha512') });
    for (const tag of ['v1', 'v2']) peer.put(APP, tag, digestFor(tag));
    expect(told(await compare(site, { peer }))).toEqual(['different v2']);
  });

  test('leaves it to each registry what its list of referrers looks like', async () => {
    await using stage = await setStage('v1');
    const { site, peer } = stage;
    const list = `sha256-${digestHex(digestFor('v1'))}`;
    await site.add({ name: list });
    expect(told(await compare(site, { peer }))).toEqual([`missing ${list}`]);
    peer.put(APP, list, digestFor('another list'));
    expect(told(await compare(site, { peer }))).toEqual([]);
  });

  test('does not take for a difference what changes here while the peer is asked', async () => {
    await using stage = await setStage('v1', 'v2', 'v3');
    const { site, peer } = stage;
    peer.put(APP, 'v1', digestFor('new'));
    for (const tag of ['v2', 'v3']) peer.remove(APP, tag);
    peer.before = async (question) => {
      if (question.endsWith('v1')) await site.add({ name: 'new', tags: ['v1'] });
      if (question.endsWith('v2')) await site.untag('v2');
    };
    expect(await compare(site, { peer, rules: [ruleWith({ tags: ['v*'] })] })).toMatchObject({
      differences: [{ tag: 'v3', kind: 'missing' }],
      same: 2,
    });
  });

  test('keeps the first thousand differences, counts all, and says how far it is', async () => {
    await using stage = await setStage();
    const { site, peer } = stage;
    await site.add({ name: 'image', tags: Array.from({ length: 1100 }, (_, number) => `t${number}`) });
    await site.add({ name: 'other', repository: 'local/other' });
    const seen: DiffProgress[] = [];
    const onProgress = (progress: DiffProgress) => seen.push(progress);
    const report = await diff(site, { peer, rules: [ruleWith()] }, { signal: FOREVER, onProgress });
    expect(report.differences).toHaveLength(1000);
    expect(report).toMatchObject({ differenceCount: 1101, tags: 1101, same: 0, repositoriesDone: 2 });
    expect(seen[0]).toEqual({ repositories: 2, repositoriesDone: 0, tags: 0 });
    expect(seen.at(-1)).toEqual({ repositories: 2, repositoriesDone: 2, tags: 1101 });
    expect(peer.mostOpen).toBe(8);
  });

  test('ends with the failure of the peer', async () => {
    await using stage = await setStage('v1');
    stage.peer.fail();
    await expect(compare(stage.site, stage)).rejects.toBeInstanceOf(UpstreamError);
    stage.peer.before = (question) => {
      if (question.startsWith('tags')) throw new UpstreamError('UNAVAILABLE', 'us-east', 'cannot list');
    };
    await expect(compare(stage.site, stage)).rejects.toThrow('cannot list');
  });

  test('goes on where a peer has nothing of a repository and cannot ask its upstream for a list', async () => {
    await using stage = await setStage();
    const { site, peer } = stage;
    await site.add({ name: 'v1' });
    peer.before = (question) => {
      if (question.startsWith('tags')) throw new UpstreamError('UNAVAILABLE', 'us-east', 'its upstream is away');
    };
    expect(told(await compare(site, { peer }))).toEqual(['missing v1']);
  });

  test('ends when it is told to', async () => {
    await using stage = await setStage('v1');
    const { site, peer } = stage;
    const stop = new AbortController();
    peer.before = (_, signal) => {
      stop.abort(new Error('enough'));
      return Promise.reject(new UpstreamError('TIMEOUT', 'us-east', 'broken off', { cause: signal?.reason }));
    };
    const comparing = diff(site, { peer, rules: [ruleWith()] }, { signal: stop.signal, onProgress: () => undefined });
    await expect(comparing).rejects.toThrow('enough');
  });

  test('lets questions wait for their turn', async () => {
    await using stage = await setStage('v1');
    let bytes = 0;
    const take = (count: number): Promise<void> => {
      bytes += count;
      return Promise.resolve();
    };
    await compare(stage.site, { peer: stage.peer, pace: { take } });
    const asked: readonly string[] = stage.peer.asked;
    expect(bytes).toBe(asked.join('').length);
  });
});
