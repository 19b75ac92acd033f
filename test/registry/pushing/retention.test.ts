import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestHex } from '../../../src/oci/digest.ts';
import type { HostedRuleOptions } from '../../../src/registry/pushing/hosted-rules.ts';
import { Retention } from '../../../src/registry/pushing/retention.ts';
import { openPushes, type TestPushes } from './support/open-pushes.ts';

const DAY = 24 * 3_600_000;
const KEEP_TWO: HostedRuleOptions = { repositories: ['local/app'], retention: { keepLast: 2 } };

interface RetentionStage extends AsyncDisposable {
  readonly opened: TestPushes;
  readonly retention: Retention;
  /** An image that was pushed so many days ago. */
  add(name: string, daysAgo: number, tags?: readonly string[], repository?: string): Promise<Digest>;
  tags(repository?: string): Promise<string[]>;
}

async function setStage(rules: readonly HostedRuleOptions[]): Promise<RetentionStage> {
  const opened = await openPushes({ rules });
  const { index } = opened.stock;
  return {
    opened,
    retention: new Retention({ index, rules: opened.rules, deletion: opened.pushes.deletion, hosted: ['local'] }),
    add: (name, daysAgo, tags = [name], repository = 'local/app') =>
      opened.stock.addImage(name, { repository, tags, usedAtMs: Date.now() - daysAgo * DAY }),
    tags: (repository = 'local/app') => index.listTags(repository),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

describe('retention', () => {
  test('removes tags that no rule keeps, then images that have none, and logs who did it', async () => {
    await using stage = await setStage([KEEP_TWO]);
    const old = await stage.add('v1', 9);
    for (const [name, daysAgo] of [
      ['v2', 8],
      ['v3', 2],
      ['v4', 1],
    ] as const) {
      await stage.add(name, daysAgo);
    }
    await stage.add('v1', 9, ['v1'], 'local/other');
    const report = await stage.retention.run({ dryRun: false });
    expect(report).toMatchObject({ isDryRun: false, repositories: 1, tags: 2, manifests: 2 });
    expect(report.removed.slice(0, 2)).toMatchObject([{ tag: 'v1', digest: old }, { tag: 'v2' }]);
    expect(await stage.tags()).toEqual(['v3', 'v4']);
    expect(await stage.tags('local/other')).toEqual(['v1']);
    const { index } = stage.opened.stock;
    expect(await index.findManifest('local/app', old)).toBe(undefined);
    const events = (await index.readEvents(0, 100)).filter(({ actor }) => actor === 'retention');
    expect(events.map(({ kind }) => kind).toSorted()).toEqual(['delete', 'delete', 'untag', 'untag']);
  });

  test('says beforehand what it would do, and does nothing', async () => {
    await using stage = await setStage([KEEP_TWO]);
    for (const daysAgo of [2, 3, 4, 5]) await stage.add(`v${daysAgo}`, daysAgo);
    await stage.add('nameless', 6, []);
    const planned = await stage.retention.run({ dryRun: true });
    expect(planned).toMatchObject({ isDryRun: true, tags: 2, manifests: 3 });
    expect(await stage.tags()).toEqual(['v2', 'v3', 'v4', 'v5']);
    const done = await stage.retention.run({ dryRun: false });
    expect({ ...done, isDryRun: true }).toEqual(planned);
    expect(await stage.retention.run({ dryRun: false })).toMatchObject({ tags: 0, manifests: 0, removed: [] });
  });

  test('leaves a tag that was moved since it was looked at, and an image that got a tag', async () => {
    await using stage = await setStage([KEEP_TWO]);
    const { deletion } = stage.opened.pushes;
    const before = await stage.add('v1', 5);
    await stage.add('newer', 0, ['v1']);
    expect(await deletion.expireTag('local/app', 'v1', before)).toBe(false);
    expect(await deletion.expireManifest('local/app', before)).toBe(true);
    const tagged = await stage.add('v2', 5);
    expect(await deletion.expireManifest('local/app', tagged)).toBe(false);
    expect(await deletion.expireTag('local/app', 'none', before)).toBe(false);
    expect(await stage.tags()).toEqual(['v1', 'v2']);
  });

  test('takes what is attached to an image with it, and leaves what is attached to others', async () => {
    await using stage = await setStage([KEEP_TWO]);
    const signature = async (digest: Digest) => stage.add(`sig ${digest}`, 3, [`sha256-${digestHex(digest)}.sig`]);
    const digests = [];
    for (const [name, daysAgo] of [
      ['v1', 5],
      ['v2', 4],
      ['v3', 3],
    ] as const) {
      const digest = await stage.add(name, daysAgo);
      await signature(digest);
      digests.push(digest);
    }
    const [gone, ...kept] = digests;
    expect(gone).toBeDefined();
    expect(await stage.retention.run({ dryRun: true })).toMatchObject({ tags: 2, manifests: 2 });
    expect(await stage.retention.run({ dryRun: false })).toMatchObject({ tags: 2, manifests: 2 });
    const signatures = kept.map((digest) => `sha256-${digestHex(digest)}.sig`);
    expect(await stage.tags()).toEqual([...signatures, 'v2', 'v3'].toSorted());
  });

  test.each<[string, Partial<HostedRuleOptions>, number]>([
    ['is immutable', { immutable: ['sha256-*'] }, 3],
    ['has a name to keep', { retention: { keepLast: 2, keepTags: ['*.sig'] } }, 3],
    ['was pushed today, as it may be before its subject', {}, 0.9],
  ])('leaves an attached tag that %s', async (_, rule, daysAgo) => {
    await using stage = await setStage([{ ...KEEP_TWO, ...rule }]);
    const name = `sha256-${'ab'.repeat(32)}.sig`;
    await stage.add('signature', daysAgo, [name]);
    expect(await stage.retention.run({ dryRun: true })).toMatchObject({ tags: 0, manifests: 0 });
    expect(await stage.retention.run({ dryRun: false })).toMatchObject({ tags: 0, manifests: 0 });
    expect(await stage.tags()).toEqual([name]);
  });

  test('leaves what is attached to an image whose bytes were lost', async () => {
    await using stage = await setStage([KEEP_TWO]);
    const digest = await stage.add('v1', 5);
    const name = `sha256-${digestHex(digest)}.sig`;
    await stage.add('signature', 5, [name]);
    await stage.opened.stock.index.removeBlobs([digest]);
    expect(await stage.retention.run({ dryRun: false })).toMatchObject({ tags: 0, manifests: 0 });
    expect(await stage.tags()).toEqual([name, 'v1']);
    await stage.opened.stock.index.deleteManifest('local/app', digest, { actor: 'ci' });
    expect(await stage.retention.run({ dryRun: false })).toMatchObject({ tags: 1, manifests: 1 });
    expect(await stage.tags()).toEqual([]);
  });

  test('never removes a tag that is immutable, whoever chose it', async () => {
    await using stage = await setStage([{ ...KEEP_TWO, immutable: ['v*'] }]);
    const digest = await stage.add('image', 100, ['v1', 'latest']);
    const { deletion } = stage.opened.pushes;
    expect(await deletion.expireTag('local/app', 'v1', digest)).toBe(false);
    expect(await deletion.expireTag('local/app', 'latest', digest)).toBe(true);
    expect(await stage.tags()).toEqual(['v1']);
  });

  test('never touches immutable tags, nor repositories without a rule', async () => {
    await using stage = await setStage([{ ...KEEP_TWO, immutable: ['v*'], retention: { keepLast: 0 } }]);
    await stage.add('v1', 100);
    await stage.add('latest', 100);
    await stage.add('latest', 100, ['latest'], 'local/other');
    await stage.retention.run({ dryRun: false });
    expect(await stage.tags()).toEqual(['v1']);
    expect(await stage.tags('local/other')).toEqual(['latest']);
  });

  test('goes through more tags than it reads at once', async () => {
    await using stage = await setStage([KEEP_TWO]);
    const digest = await stage.add('v', 1, []);
    const { index } = stage.opened.stock;
    for (let count = 0; count < 450; count += 1) await index.putTag('local/app', `v${count}`, digest, count);
    expect(await stage.retention.run({ dryRun: false })).toMatchObject({ tags: 448, manifests: 0 });
    expect(await stage.tags()).toEqual(['v448', 'v449']);
  });
});
