import { describe, expect, test } from 'vitest';
import { buildImage } from '../support/images.ts';
import type { Fault } from '../support/origin-faults.ts';
import { ask, type ClientAnswer, type Door } from './support/ask.ts';
import { expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

function json({ body }: ClientAnswer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}

/** Follows `Link` from page to page. */
async function pages(door: Door, path: string, field: 'tags' | 'repositories'): Promise<string[][]> {
  const found: string[][] = [];
  let next: string | undefined = path;
  while (next !== undefined && found.length < 50) {
    const answer = await ask(door, next);
    expect(answer.status, next).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    found.push((json(answer)[field] as string[] | undefined) ?? []);
    const link = answer.headers['link'];
    [, next] = /^<(\/[^/>][^>]*)>; *rel="?next"?$/.exec(String(link)) ?? [];
    if (link !== undefined) expect(next, `a relative Link: ${String(link)}`).toBeDefined();
  }
  return found;
}

describe.concurrent('tags/list', () => {
  const tags = Array.from({ length: 23 }, (_, index) => `v${index}`).toSorted();

  test.each([
    { name: 'all at once', from: {} },
    { name: 'in small pages', from: { tags: { pageLimit: 4 } } },
    { name: 'in small pages with absolute links', from: { tags: { pageLimit: 4, link: 'absolute' as const } } },
  ])('gives all tags in order, by whatever address, where upstream gives them $name', async ({ from }) => {
    await using stage = await setStage({ from });
    const { origin, mirror } = stage;
    for (const tag of tags) buildImage(origin, 'library/app', tag);
    for (const path of [
      '/v2/library/app/tags/list',
      '/v2/library/app/tags/list?n=5',
      '/v2/app/tags/list?n=5',
      '/v2/docker.io/library/app/tags/list?n=10',
      '/v2/library/app/tags/list?ns=docker.io&n=3',
      '/docker.io/v2/library/app/tags/list?n=7',
    ]) {
      const found = await pages(mirror, path, 'tags');
      expect(found.flat(), path).toEqual(tags);
      const size = Number(new URL(path, 'http://x').searchParams.get('n') ?? 100);
      for (const page of found) expect(page.length).toBeLessThanOrEqual(size);
    }
    expect(json(await ask(mirror, '/v2/library/app/tags/list?n=2&last=v20'))).toMatchObject({ tags: ['v21', 'v22'] });
    expect(json(await ask(mirror, '/v2/library/app/tags/list?last=v9'))).toMatchObject({ tags: [] });
    const none = await ask(mirror, '/v2/library/app/tags/list?n=0');
    expect(json(none)).toMatchObject({ tags: [] });
    expect(none.headers['link']).toBeUndefined();
    for (const n of ['-1', 'x', '1.5']) {
      const answer = await ask(mirror, `/v2/library/app/tags/list?n=${n}`);
      if (answer.status !== 200) expectError(answer, 400);
    }
  });

  test.each([
    { name: 'HTML', fault: { kind: 'html' } },
    { name: 'broken JSON', fault: { kind: 'truncate', afterBytes: 5 } },
    { name: '500', fault: { kind: 'status', status: 500 } },
    { name: 'a list of numbers', fault: { kind: 'status', status: 200, body: '{"tags":[1,2]}' } },
  ] satisfies { name: string; fault: Fault }[])('is a gateway error where upstream sends $name', async ({ fault }) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    buildImage(origin, 'library/app', 'v1');
    origin.fault({ path: '/tags/list' }, fault);
    expectError(await ask(mirror, '/v2/library/app/tags/list'), GATEWAY_ERRORS);
    origin.clearFaults();
    expect(json(await ask(mirror, '/v2/library/app/tags/list'))).toMatchObject({ tags: ['v1'] });
    origin.fault({ path: '/tags/list' }, fault);
    expect(json(await ask(mirror, '/v2/library/app/tags/list'))).toMatchObject({ tags: ['v1'] });
  });

  test('has the tags that are cached where upstream fails and the list was never asked for', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    for (const tag of ['v1', 'v2', 'v3']) buildImage(origin, 'library/app', tag);
    for (const tag of ['v2', 'v1']) await ask(mirror, `/v2/library/app/manifests/${tag}`);
    await origin.stop();
    const answer = await ask(mirror, '/v2/library/app/tags/list');
    expect(answer.status).toBe(200);
    expect(json(answer)).toMatchObject({ tags: ['v1', 'v2'] });
  });
});

describe.concurrent('_catalog', () => {
  test('lists what is cached, page by page', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const names = ['library/a', 'library/b', 'library/c', 'some/d', 'some/e'];
    for (const name of names) {
      buildImage(origin, name, 'v1');
      await ask(mirror, `/v2/${name}/manifests/v1`);
    }
    const repositories = names.map((name) => `docker.io/${name}`);
    expect(await pages(mirror, '/v2/_catalog', 'repositories')).toEqual([repositories]);
    const inPages = await pages(mirror, '/v2/_catalog?n=2', 'repositories');
    expect(inPages.flat()).toEqual(repositories);
    expect(inPages.every((page) => page.length <= 2)).toBe(true);
    const none = await ask(mirror, '/v2/_catalog?n=0');
    expect(json(none)).toEqual({ repositories: [] });
    expect(none.headers['link']).toBeUndefined();
    expect(json(await ask(mirror, '/v2/_catalog?last=docker.io/some/d'))).toEqual({
      repositories: ['docker.io/some/e'],
    });
  });
});

describe.concurrent('referrers', () => {
  test.each([
    { name: 'with the API', api: true },
    { name: 'by the tag schema', api: false },
  ])('come from an upstream $name, filtered by artifactType if that is asked for', async ({ api }) => {
    await using stage = await setStage({ from: { referrers: api } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const described = ['application/x.sig', 'application/x.sbom'].map((artifactType) => {
      const annotations = { made: 'by a test' };
      const content = {
        schemaVersion: 2,
        mediaType: MANIFEST,
        artifactType,
        subject: { digest: image.digest },
        annotations,
      };
      const digest = origin.addManifest('library/app', undefined, content, MANIFEST);
      return { mediaType: MANIFEST, digest, size: JSON.stringify(content).length, artifactType, annotations };
    });
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: described };
    if (!api) origin.addManifest('library/app', image.digest.replace(':', '-'), index, INDEX);

    const path = `/v2/library/app/referrers/${image.digest}`;
    const all = await ask(mirror, path);
    expect(all.status).toBe(200);
    expect(all.headers['content-type']).toBe(INDEX);
    expect(all.headers['oci-filters-applied']).toBeUndefined();
    expect(json(all)).toMatchObject({ schemaVersion: 2, mediaType: INDEX });
    expect(json(all)['manifests']).toEqual(described);
    const some = await ask(mirror, `${path}?artifactType=application%2Fx.sbom`);
    expect(some.headers['content-type']).toBe(INDEX);
    expect(some.headers['oci-filters-applied']).toBe('artifactType');
    expect(json(some)['manifests']).toEqual(described.slice(1));
    const none = await ask(mirror, `${path}?artifactType=application/x.none`);
    expect(none.status).toBe(200);
    expect(json(none)['manifests']).toEqual([]);
  });

  test.each([
    { name: '404', fault: undefined },
    { name: 'a sign-in page', fault: { kind: 'html' } },
    { name: '405', fault: { kind: 'status', status: 405 } },
    { name: '400', fault: { kind: 'status', status: 400 } },
  ] satisfies { name: string; fault: Fault | undefined }[])(
    'are an empty index where upstream answers $name',
    async (each) => {
      await using stage = await setStage();
      const { origin, mirror } = stage;
      const image = buildImage(origin, 'library/app', 'v1');
      if (each.fault !== undefined) origin.fault({ path: '/referrers/' }, each.fault);
      const answer = await ask(mirror, `/v2/library/app/referrers/${image.digest}`);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe(INDEX);
      expect(json(answer)).toEqual({ schemaVersion: 2, mediaType: INDEX, manifests: [] });
    },
  );

  test('are a gateway error where upstream fails and nothing is cached', async () => {
    await using stage = await setStage({ from: { referrers: true } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    origin.fault({}, { kind: 'status', status: 503 });
    expectError(await ask(mirror, `/v2/library/app/referrers/${image.digest}`), GATEWAY_ERRORS);
    origin.clearFaults();
    expect((await ask(mirror, `/v2/library/app/referrers/${image.digest}`)).status).toBe(200);
  });
});
