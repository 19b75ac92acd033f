import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Origin } from '../../../src/metadata/event-index.ts';
import { buildImage } from '../../support/images.ts';
import { type Origin as Registry, startOrigin } from '../../support/origin.ts';
import { openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { openSite, type TestSite } from '../support/test-site.ts';
import { openTwoSites, type TwoSites } from '../support/two-sites.ts';

const NOW = Date.now();
/** As siblings give it before it has arrived. */
const EARLY = change('us-east', -NOW);
const OLD = change('us-east', -2000);

let upstream: Registry;
let sites: TwoSites;
let third: TestSite;
let used = 0;
beforeAll(async () => {
  upstream = await startOrigin();
  sites = await openTwoSites({ origin: upstream });
  third = await openSite({ name: 'third', origin: upstream });
});
afterAll(async () => {
  await third[Symbol.asyncDispose]();
  await sites[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

function change(site: string, ms: number): Origin & { clock: object } {
  return { site, sequence: 5, clock: { ms: NOW + ms, count: 0 } };
}

/** The image in a repository of a site, with its tag set by that change. */
async function set(site: TestSite, repository: string, origin: Origin): Promise<void> {
  const draft = new Draft();
  const image = buildImage(draft, repository, 'v1');
  await site.push(repository, draft, { without: [image.digest] });
  for (const manifest of draft.manifests) await site.pushFrom(origin, repository, manifest);
}

test('a tag that was set to the same at both, and moves then, is no conflict', async () => {
  const { here, there, stage } = sites;
  const repository = 'local/both';
  const conflicts = async () => {
    const text = await (await fetch(`${there.adminUrl}/metrics`)).text();
    return Number(/^entrepot_replication_conflicts_total\{.*\} (\d+)$/m.exec(text)?.[1]);
  };
  const before = await conflicts();
  await set(third, repository, OLD);
  await openStage(third, sites.peer).run('v1', { repository });
  for (const seed of [1, 2]) {
    const draft = new Draft();
    buildImage(draft, repository, 'v1', { seed });
    await here.push(repository, draft);
    expect(await stage.run('v1', { repository })).toMatchObject({ outcome: 'copied' });
  }
  expect(await conflicts()).toBe(before);
});

describe.each(['local', 'docker.io/library'])('where a tag in %s points at the same here and there', (folder) => {
  let repository: string;
  beforeEach(() => {
    used += 1;
    repository = `${folder}/app-${used}`;
  });

  const there = async () => {
    const head = await sites.peer.headManifest(repository, { kind: 'tag', tag: 'v1' });
    return head?.origin;
  };

  test.each([
    ['a later change of another site', OLD, change('eu-west', -1000)],
    ['a later change of the same site', OLD, change('us-east', -1000)],
    ['one at the same time whose site counts', OLD, change('us-west', -2000)],
    ['any that is known of what came early', EARLY, change('eu-west', -9000)],
  ])('%s is sent, once', async (_, theirs, ours) => {
    await set(third, repository, theirs);
    await openStage(third, sites.peer).run('v1', { repository });
    expect(await there()).toEqual(theirs);
    await set(sites.here, repository, ours);
    const result = await sites.stage.run('v1', { repository });
    expect(result).toMatchObject({ outcome: 'copied', sentBlobs: 0 });
    expect(result.sentBytes).toBeGreaterThan(0);
    expect(await there()).toEqual(ours);
    expect(await sites.stage.run('v1', { repository })).toMatchObject({ outcome: 'present', sentBytes: 0 });
    // The other one has nothing to say either.
    expect(await openStage(third, sites.peer).run('v1', { repository })).toMatchObject({ outcome: 'present' });
    expect(await there()).toEqual(ours);
  });

  test.each([
    ['the same change', OLD, OLD],
    ['an earlier one', OLD, change('us-west', -3000)],
    ['one at the same time whose site does not count', OLD, change('eu-west', -2000)],
    ['what came early', OLD, EARLY],
    ['what came early to both', EARLY, EARLY],
  ])('%s is not', async (_, theirs, ours) => {
    await set(third, repository, theirs);
    await openStage(third, sites.peer).run('v1', { repository });
    await set(sites.here, repository, ours);
    expect(await sites.stage.run('v1', { repository })).toMatchObject({ outcome: 'present', sentBytes: 0 });
    expect(await there()).toEqual(theirs);
  });
});
