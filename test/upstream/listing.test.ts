import { describe, expect, it } from 'vitest';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, digest } from './connect.ts';
import { type ScriptedAnswer, scriptedServer } from './scripted-server.ts';

const SUBJECT = digest(`sha256:${'a'.repeat(64)}`);
const INDEX = 'application/vnd.oci.image.index.v1+json';

describe.concurrent('tags', () => {
  it.each(['relative', 'absolute'] as const)('are gathered over pages with a %s link', async (link) => {
    await using origin = await startOrigin({ auth: { type: 'bearer' }, tags: { pageLimit: 2, link } });
    const tags = ['a', 'b', 'c', 'd', 'e'];
    for (const tag of tags) buildImage(origin, 'a/b', tag);
    await using upstream = connect(origin.url);
    expect(await upstream.listTags('a/b')).toEqual(tags);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['keep their order', { tags: ['b', 'a'] }, ['b', 'a']],
    ['that are none are dropped', { tags: ['ok', '', '../x', 5, null, 'x'.repeat(129), 'ok', '-a'] }, ['ok']],
    ['may be null', { name: 'a', tags: null }, []],
  ])('%s', async (_, answer, expected) => {
    await using server = await scriptedServer(() => json(answer));
    await using upstream = connect(server.url);
    expect(await upstream.listTags('a')).toEqual(expected);
  });

  it.each([400, 404])('are asked for without n where that is answered with %d', async (status) => {
    await using server = await scriptedServer(({ url }) => (url.includes('n=') ? { status } : json({ tags: ['v1'] })));
    await using upstream = connect(server.url);
    expect(await upstream.listTags('a')).toEqual(['v1']);
    server.answer = () => ({ status: 404 });
    await expect(upstream.listTags('a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are followed to the upstream itself when the link names another port of its host', async () => {
    await using server = await scriptedServer(({ url }) =>
      url.includes('last')
        ? json({ tags: ['b'] })
        : json({ tags: ['a'] }, { link: '<https://127.0.0.1/v2/a/tags/list?last=a>; rel="next"' }),
    );
    await using upstream = connect(server.url);
    expect(await upstream.listTags('a')).toEqual(['a', 'b']);
  });

  it.each<[string, (url: string) => ScriptedAnswer]>([
    ['in a circle', () => json({ tags: [] }, { link: '</v2/a/tags/list?n=1000>; rel="next"' })],
    ['to another host', () => json({ tags: [] }, { link: '<http://169.254.169.254/x>; rel="next"' })],
    ['for more than a thousand pages', (url) => json({ tags: [] }, { link: `<${url}0>; rel="next"` })],
  ])('are not followed %s', async (_, answer) => {
    await using server = await scriptedServer(({ url }) => answer(url));
    await using upstream = connect(server.url);
    await expect(upstream.listTags('a')).rejects.toMatchObject({ code: 'INVALID' });
    expect(server.seen.length).toBeLessThanOrEqual(1000);
  });

  it.each<[string, ScriptedAnswer]>([
    ['a web page', { headers: { 'content-type': 'text/html' }, body: '{"tags":[]}' }],
    ['no JSON', { body: 'oops' }],
    ['no list', { body: '{"tags":"v1"}' }],
    ['a list of something else', { body: '{"tags":[1,2]}' }],
    ['more than 8 MiB', { body: `{"tags":["${'x'.repeat(9_000_000)}"]}` }],
  ])('are refused as %s', async (_, answer) => {
    await using server = await scriptedServer(() => answer);
    await using upstream = connect(server.url);
    await expect(upstream.listTags('a')).rejects.toMatchObject({ code: 'INVALID' });
  });
});

describe.concurrent('referrers', () => {
  it('come as the registry wrote them', async () => {
    const body = `{ "schemaVersion": 2, "mediaType": "${INDEX}", "manifests": [] }`;
    await using server = await scriptedServer(() => ({ headers: { 'content-type': INDEX }, body }));
    await using upstream = connect(server.url);
    expect(String(await upstream.listReferrers('a', SUBJECT))).toBe(body);
    expect(server.seen[0]).toMatchObject({ url: `/v2/a/referrers/${SUBJECT}`, headers: { accept: INDEX } });
  });

  it('are joined over pages', async () => {
    await using server = await scriptedServer(({ url }) => {
      const page = url.includes('page=2') ? 2 : 1;
      const body = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [{ page }] });
      return { headers: { 'content-type': INDEX, ...(page === 1 && { link: '<?page=2>; rel="next"' }) }, body };
    });
    await using upstream = connect(server.url);
    const index = JSON.parse(String(await upstream.listReferrers('a', SUBJECT))) as unknown;
    expect(index).toEqual({ schemaVersion: 2, mediaType: INDEX, manifests: [{ page: 1 }, { page: 2 }] });
  });

  it.each<[string, ScriptedAnswer]>([
    ['404', { status: 404, body: '404 page not found' }],
    ['405', { status: 405 }],
    ['a sign-in page', { headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['an index of another type', { headers: { 'content-type': 'application/json' }, body: '{"manifests":[]}' }],
    ['what is no index', { headers: { 'content-type': INDEX }, body: '{}' }],
  ])('are not supported where the answer is %s, which is remembered for ten minutes', async (_, answer) => {
    await using server = await scriptedServer(() => answer);
    const clock = { now: 1000 };
    await using upstream = connect(server.url, {}, { now: () => clock.now });
    expect(await upstream.listReferrers('a', SUBJECT)).toBeUndefined();
    expect(await upstream.listReferrers('a', SUBJECT)).toBeUndefined();
    expect(server.seen).toHaveLength(1);
    clock.now += 601_000;
    await upstream.listReferrers('a', SUBJECT);
    expect(server.seen).toHaveLength(2);
  });

  it.each(['NAME_UNKNOWN', 'MANIFEST_INVALID'])('that are missing because of %s may be there later', async (code) => {
    const body = JSON.stringify({ errors: [{ code }] });
    await using server = await scriptedServer(() => ({ status: 404, body }));
    await using upstream = connect(server.url);
    expect(await upstream.listReferrers('a', SUBJECT)).toBeUndefined();
    await upstream.listReferrers('a', SUBJECT);
    expect(server.seen).toHaveLength(2);
  });

  it.each([
    [403, 'DENIED'],
    [500, 'UNAVAILABLE'],
    [429, 'RATE_LIMITED'],
  ])('that fail with %d are no verdict', async (status, code) => {
    await using server = await scriptedServer(() => ({ status, headers: { 'retry-after': '0' } }));
    await using upstream = connect(server.url, { retries: 0 });
    await expect(upstream.listReferrers('a', SUBJECT)).rejects.toMatchObject({ code });
    await expect(upstream.listReferrers('a', SUBJECT)).rejects.toMatchObject({ code });
    expect(server.seen).toHaveLength(2);
  });
});

function json(value: unknown, headers: Record<string, string> = {}): ScriptedAnswer {
  return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}
