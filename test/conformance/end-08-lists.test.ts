import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildImage } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { expectError } from './support/expect.ts';
import { imageManifest } from './support/manifests.ts';
import { pushManifest, ship } from './support/push.ts';
import { type Client, jsonOf, send } from './support/send.ts';
import { asUser, at, atMirror, setStage } from './support/stage.ts';

let origin: Origin;
const stage = setStage(async () => {
  origin = await startOrigin();
  return { origin };
});
afterAll(async () => origin[Symbol.asyncDispose]());

/** All pages, by following Link from one to the next. */
async function pagesOf(client: Client, path: string, field: 'tags' | 'repositories'): Promise<string[][]> {
  const pages: string[][] = [];
  let next: string | undefined = path;
  while (next !== undefined && pages.length < 50) {
    const answer = await send(client, 'GET', next);
    expect(answer.status, next).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    pages.push((jsonOf(answer) as Record<string, string[]>)[field] ?? []);
    const { link } = answer.headers;
    [, next] = /^<(\/[^/>][^>]*)>; *rel="next"$/.exec(String(link)) ?? [];
    if (link !== undefined) expect(next, `a relative Link: ${String(link)}`).toBeDefined();
  }
  return pages;
}

const TAGS = ['v10', 'v9', 'latest', 'A', '_x', 'a.b-c', 'Z'];
const SORTED = TAGS.toSorted();

describe('end-8a, tags/list of a hosted repository', () => {
  test('has all tags in the order of their bytes', async () => {
    const client = stage.client();
    const image = await imageManifest(client);
    for (const tag of TAGS) await pushManifest(client, tag, image);
    expect(jsonOf(await send(client, 'GET', 'tags/list'))).toEqual({ name: client.repository, tags: SORTED });
  });

  test('is empty where manifests have no tags, and 404 where there is no repository', async () => {
    const client = stage.client();
    await pushManifest(client, undefined, await imageManifest(client));
    expect(jsonOf(await send(client, 'GET', 'tags/list'))).toEqual({ name: client.repository, tags: [] });
    expectError(await send(at(client, 'local/never/pushed'), 'GET', 'tags/list'), 404, 'NAME_UNKNOWN');
  });
});

describe('end-8b, tags/list with n and last', () => {
  let client: Client;
  const list = async (query: string) => jsonOf(await send(client, 'GET', `tags/list?${query}`))['tags'];
  beforeAll(async () => {
    client = stage.client();
    const image = await imageManifest(client);
    for (const tag of TAGS) await pushManifest(client, tag, image);
  });

  test('gives that many, those after it, and a Link as long as there are more', async () => {
    for (const n of [1, 2, 3, TAGS.length, 100]) {
      const pages = await pagesOf(client, `tags/list?n=${n}`, 'tags');
      expect(pages.flat()).toEqual(SORTED);
      for (const page of pages.slice(0, -1)) expect(page).toHaveLength(n);
    }
    expect(await list('n=2&last=Z')).toEqual(SORTED.slice(2, 4));
    expect(await list('last=Z')).toEqual(SORTED.slice(2));
    // A tag that does not exist is a place in the order all the same.
    expect(await list('n=1&last=b')).toEqual(['latest']);
    expect(await list('last=zzz')).toEqual([]);
  });

  test('gives none for n=0, without Link, and refuses an n that is no number', async () => {
    const none = await send(client, 'GET', 'tags/list?n=0');
    expect(jsonOf(none)).toEqual({ name: client.repository, tags: [] });
    expect(none.headers['link']).toBeUndefined();
    for (const n of ['-1', 'x', '1.5', '']) {
      const answer = await send(client, 'GET', `tags/list?n=${n}`);
      if (answer.status === 200) expect(jsonOf(answer)['tags']).toEqual(SORTED);
      else expect(answer.status).toBe(400);
    }
  });
});

describe('_catalog', () => {
  test('lists hosted and proxied repositories in one order, page by page, of what the client may pull', async () => {
    const client = stage.client();
    buildImage(origin, 'library/app', 'v1');
    expect((await send(client, 'GET', '/v2/library/app/manifests/v1')).status).toBe(200);
    for (const repository of ['local/catalog/a', 'local/catalog/b', 'local/secret/c', 'sparse/d']) {
      await ship(at(client, repository), (target) => buildImage(target, '', undefined));
    }
    const own = (names: readonly string[]) => names.filter((name) => !name.startsWith('local/app-'));
    const all = ['docker.io/library/app', 'local/catalog/a', 'local/catalog/b', 'local/secret/c', 'sparse/d'];
    const open = all.filter((name) => !name.startsWith('local/secret/'));
    const anonymous = asUser(atMirror(stage, client), undefined);
    for (const n of [1, 2, 100]) {
      const pages = await pagesOf(client, `/v2/_catalog?n=${n}`, 'repositories');
      expect(own(pages.flat())).toEqual(all);
      for (const page of pages) expect(page.length).toBeLessThanOrEqual(n);
      expect(own((await pagesOf(anonymous, `/v2/_catalog?n=${n}`, 'repositories')).flat())).toEqual(open);
    }
    expect(own((await pagesOf(asUser(client, 'rita'), '/v2/_catalog', 'repositories')).flat())).toEqual(open);
    const after = jsonOf(await send(client, 'GET', '/v2/_catalog?n=1&last=local/catalog/b'));
    expect(after).toEqual({ repositories: ['local/secret/c'] });
  });
});
