import { describe, expect, test } from 'vitest';
import { attachedIn } from '../../../src/replication/comparing/attached.ts';
import type { Here } from '../../../src/replication/comparing/here.ts';
import { matchingRepositories, referencesIn } from '../../../src/replication/comparing/references.ts';
import { scopeOf } from '../../../src/replication/comparing/rule-scope.ts';
import { digestHex } from '../../../src/oci/digest.ts';
import type { ReplicationRule } from '../../../src/replication/rule.ts';
import { digestFor } from '../support/scripted-peer.ts';
import { APP, openSite, ruleWith } from '../support/site.ts';

/** Names of what a rule is about in a repository. */
async function listed(here: Here, rule: Partial<ReplicationRule> = {}, repository = APP): Promise<string[]> {
  const pages = await Array.fromAsync(referencesIn(here, scopeOf(ruleWith(rule)), repository));
  return pages.flat().map(({ reference }) => reference);
}

/** The names of what goes with what a rule is about. */
async function attached(here: Here, rule: Partial<ReplicationRule> = {}): Promise<string[]> {
  const scope = scopeOf(ruleWith(rule));
  const references = (await Array.fromAsync(referencesIn(here, scope, APP))).flat();
  const pages = await Array.fromAsync(attachedIn(here, scope, { references, seen: new Set() }));
  return pages
    .flat()
    .map(({ reference }) => reference)
    .toSorted();
}

function signatureTag(name: string): string {
  return `sha256-${digestHex(digestFor(name))}.sig`;
}

describe('the references that a rule is about', () => {
  test('are all tags and images without one, not what is part of these', async () => {
    await using site = await openSite();
    const image = await site.add({ name: 'image', tags: ['v2', 'v10', 'latest'] });
    const nameless = await site.add({ name: 'nameless', tags: [] });
    await site.add({ name: 'sbom', tags: [], subject: image });
    await site.add({ name: 'signature', tags: [signatureTag('image')] });
    await site.index.putBlob({ digest: digestFor('loose'), sizeBytes: 1, repositories: [APP], atMs: 0 });
    await site.add({ name: 'other', repository: 'local/other' });
    expect(await listed(site)).toEqual(['latest', signatureTag('image'), 'v10', 'v2', nameless]);
  });

  test('are tags that match only, and what is attached by its name comes with its subject', async () => {
    await using site = await openSite();
    await site.add({ name: 'image', tags: ['v1', 'latest'] });
    await site.add({ name: 'nameless', tags: [] });
    await site.add({ name: 'signature', tags: [signatureTag('image')] });
    expect(await listed(site, { tags: ['v*'] })).toEqual(['v1']);
    expect(await listed(site, { tags: ['regex:.*'] })).toEqual(['latest', 'v1']);
    expect(await listed(site, { tags: ['none'] })).toEqual([]);
  });

  test('are found over many pages', async () => {
    await using site = await openSite();
    const tags = Array.from({ length: 250 }, (_, number) => `t${String(number).padStart(3, '0')}`);
    await site.add({ name: 'image', tags });
    const nameless = await Promise.all(
      Array.from({ length: 205 }, (_, number) => site.add({ name: `nameless ${number}`, tags: [] })),
    );
    expect(await listed(site)).toEqual([...tags, ...nameless.toSorted()]);
  });

  test('stand in repositories that match', async () => {
    await using site = await openSite();
    const names = Array.from({ length: 120 }, (_, number) => `local/app-${String(number).padStart(3, '0')}`);
    for (const repository of names) await site.add({ name: 'image', repository });
    await site.add({ name: 'image', repository: 'docker.io/library/app' });
    expect(await Array.fromAsync(matchingRepositories(site, scopeOf(ruleWith())))).toEqual(names);
  });

  test('are of the types that the rule takes, or attached to such', async () => {
    await using site = await openSite();
    for (const name of ['image', 'chart']) {
      await site.add({ name });
      await site.add({ name: `signature of ${name}`, tags: [signatureTag(name)] });
    }
    const here: Here = { index: site.index, takesType: async (_, { digest }) => digest === digestFor('chart') };
    expect(await listed(here, { artifactTypes: ['chart'] })).toEqual(['chart', signatureTag('chart')].toSorted());
    expect(await listed(here)).toHaveLength(4);
  });
});

describe('what is attached to references', () => {
  test('is what refers to them, and what refers to that', async () => {
    await using site = await openSite();
    const image = await site.add({ name: 'image', tags: ['v1', 'latest'] });
    const sbom = await site.add({ name: 'sbom', tags: [], subject: image });
    const signature = await site.add({ name: 'signature of sbom', tags: [], subject: sbom });
    expect(await attached(site)).toEqual([sbom, signature].toSorted());
    expect(await attached(site, { tags: ['latest'] })).toEqual([sbom, signature].toSorted());
    expect(await attached(site, { tags: ['v2'] })).toEqual([]);
  });

  test('is a signature by its tag too, where the rule does not take that anyway', async () => {
    await using site = await openSite();
    for (const name of ['v1', 'latest']) {
      await site.add({ name });
      await site.add({ name: `signature of ${name}`, tags: [signatureTag(name)] });
    }
    expect(await attached(site, { tags: ['v*'] })).toEqual([signatureTag('v1')]);
    expect(await attached(site)).toEqual([]);
  });

  test('comes in pages', async () => {
    await using site = await openSite();
    const image = await site.add({ name: 'image' });
    const referrers = await Promise.all(
      Array.from({ length: 230 }, (_, number) => site.add({ name: `referrer ${number}`, tags: [], subject: image })),
    );
    expect(await attached(site)).toEqual(referrers.toSorted());
  });
});
