import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, ref } from './connect.ts';
import { type ScriptedAnswer, scriptedServer } from './scripted-server.ts';

const V1 = ref('v1');
const INDEX = 'application/vnd.oci.image.index.v1+json';
const BODY = Buffer.from('{"schemaVersion":2,"manifests":[]}');
const SHA256 = digestOf(BODY);
const SHA512 = digestOf(BODY, 'sha512');
const UNTYPED = { digest: SHA256, mediaType: undefined, sizeBytes: undefined };
const OTHER = digestOf(Buffer.from('something else'));

describe.concurrent('GET of a manifest', () => {
  it('asks with the complete Accept, a User-Agent and no coding', async () => {
    await using server = await scriptedServer(() => answer({}));
    await using upstream = connect(server.url);
    await upstream.getManifest('a/b', V1);
    expect(server.seen[0]?.url).toBe('/v2/a/b/manifests/v1');
    expect(server.seen[0]?.headers).toMatchObject({
      'accept-encoding': 'identity',
      'user-agent': 'entrepot-test/1.0',
      accept: expect.stringMatching(/docker.*list.*oci.*index/) as string,
    });
  });

  it('finds a registry below a path', async () => {
    await using server = await scriptedServer(() => answer({}));
    await using upstream = connect(`${server.url}/mirrors/hub/`);
    await upstream.getManifest('a/b', V1);
    expect(server.seen[0]?.url).toBe('/mirrors/hub/v2/a/b/manifests/v1');
  });

  it.each<[string, string, ScriptedAnswer, string]>([
    ['by tag', 'v1', answer({ 'docker-content-digest': SHA256 }), SHA256],
    ['by tag without a digest header', 'v1', answer({}), SHA256],
    ['by tag with junk for a digest', 'v1', answer({ 'docker-content-digest': 'junk' }), SHA256],
    ['by tag with sha512', 'v1', answer({ 'docker-content-digest': SHA512 }), SHA512],
    ['by digest', SHA256, answer({}), SHA256],
    ['by sha512', SHA512, answer({ 'docker-content-digest': SHA256 }), SHA512],
    ['by digest with a wrong header', SHA256, answer({ 'docker-content-digest': OTHER }), SHA256],
    ['as plain JSON', 'v1', { headers: { 'content-type': 'application/json' }, body: BODY }, SHA256],
  ])('is taken %s', async (_, reference, answered, digest) => {
    await using server = await scriptedServer(() => answered);
    await using upstream = connect(server.url);
    const manifest = await upstream.getManifest('a', ref(reference));
    expect(manifest).toMatchObject({ digest, mediaType: INDEX });
    expect(Buffer.from(manifest.bytes)).toEqual(BODY);
  });

  it.each<[string, string, ScriptedAnswer]>([
    ["does not match its tag's digest header", 'v1', answer({ 'docker-content-digest': OTHER })],
    ['does not match the digest', OTHER, answer({})],
    ['does not match the digest, though the header does', OTHER, answer({ 'docker-content-digest': OTHER })],
    ['is a web page', 'v1', { headers: { 'content-type': 'text/html; charset=utf-8' }, body: BODY }],
    ['is not JSON', 'v1', { headers: { 'content-type': INDEX }, body: 'oops' }],
    ['is some other JSON', 'v1', { headers: { 'content-type': 'application/json' }, body: '{"tags":[]}' }],
    [
      'says that it is something else',
      'v1',
      { headers: { 'content-type': INDEX }, body: '{"mediaType":"application/vnd.oci.image.manifest.v1+json"}' },
    ],
    ['is compressed', 'v1', answer({ 'content-encoding': 'gzip' })],
    ['is too large', 'v1', { headers: { 'content-type': INDEX }, body: `{"manifests":[],"x":"${'x'.repeat(2000)}"}` }],
    [
      'is too large, without saying so',
      'v1',
      { headers: { 'content-type': INDEX, 'transfer-encoding': 'chunked' }, body: `{"x":"${'x'.repeat(2000)}"}` },
    ],
    ['is 206', 'v1', { ...answer({}), status: 206 }],
    ['is 204', 'v1', { status: 204 }],
    ['is 418', 'v1', { status: 418 }],
  ])('is refused when it %s', async (_, reference, answered) => {
    await using server = await scriptedServer(() => answered);
    await using upstream = connect(server.url, { manifestLimitBytes: 1000 });
    await expect(upstream.getManifest('a', ref(reference))).rejects.toMatchObject({ code: 'INVALID' });
    expect(server.seen).toHaveLength(1);
  });

  it.each([
    [404, 'NOT_FOUND'],
    [403, 'DENIED'],
    [501, 'UNAVAILABLE'],
    [400, 'INVALID'],
  ])('answered with %d is %s', async (status, code) => {
    await using server = await scriptedServer(() => ({ status }));
    await using upstream = connect(server.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code, status, upstream: 'origin.test' });
  });

  it.each([
    ['breaks', { kind: 'reset', afterBytes: 10 }],
    ['ends early', { kind: 'truncate', afterBytes: 10 }],
    ['never begins', { kind: 'reset' }],
  ] as const)('is tried again when it %s', async (_, fault) => {
    await using origin = await startOrigin();
    const image = buildImage(origin, 'a', 'v1');
    origin.fault({ path: 'manifests' }, fault, { times: 1 });
    await using upstream = connect(origin.url);
    expect((await upstream.getManifest('a', V1)).digest).toBe(image.digest);
    expect(origin.requestCount()).toBe(2);
  });

  it('that has flipped a bit is refused', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    origin.fault({ path: 'manifests' }, { kind: 'corrupt' }, { times: 1 });
    await using upstream = connect(origin.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    expect((await upstream.getManifest('a', V1)).mediaType).toContain('manifest');
  });

  it('stops reading what never ends', async () => {
    await using origin = await startOrigin();
    origin.addManifest('a', 'v1', Buffer.alloc(50_000_000, ' '), INDEX);
    origin.fault({ path: 'manifests' }, { kind: 'noLength' });
    await using upstream = connect(origin.url);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
    expect(origin.requests[0]?.bodyBytes).toBeLessThan(20_000_000);
  });
});

describe.concurrent('HEAD of a manifest', () => {
  it.each<[string, string, Record<string, string>, object]>([
    [
      'all there is',
      'v1',
      { 'content-type': INDEX, 'docker-content-digest': SHA256, 'content-length': '34' },
      { digest: SHA256, mediaType: INDEX, sizeBytes: 34 },
    ],
    [
      'what there is',
      'v1',
      { 'content-type': 'application/json' },
      { digest: undefined, mediaType: undefined, sizeBytes: undefined },
    ],
    [
      'the digest it was asked for',
      SHA256,
      { 'docker-content-digest': OTHER },
      { digest: SHA256, mediaType: undefined, sizeBytes: undefined },
    ],
    ['no length that no manifest has', 'v1', { 'docker-content-digest': SHA256, 'content-length': '0' }, UNTYPED],
    [
      'by which change another site has set a tag',
      'v1',
      { 'docker-content-digest': SHA256, 'entrepot-origin': 'site=eu-west; sequence=3; clock=17.2' },
      { ...UNTYPED, origin: { site: 'eu-west', sequence: 3, clock: { ms: 17, count: 2 } } },
    ],
    [
      'no change that it does not understand',
      'v1',
      { 'docker-content-digest': SHA256, 'entrepot-origin': 'x' },
      UNTYPED,
    ],
    [
      'no change that is too long to be one',
      'v1',
      { 'docker-content-digest': SHA256, 'entrepot-origin': `site=a; sequence=3; clock=17.2${' '.repeat(600)};` },
      UNTYPED,
    ],
  ])('tells %s', async (_, reference, headers, expected) => {
    await using server = await scriptedServer(() => ({ headers }));
    await using upstream = connect(server.url);
    expect(await upstream.headManifest('a', ref(reference))).toEqual(expected);
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD']);
  });

  it.each([400, 403, 405, 501])('tells nothing where it is answered with %d', async (status) => {
    await using server = await scriptedServer(() => ({ status }));
    await using upstream = connect(server.url);
    const nothing = { digest: undefined, mediaType: undefined, sizeBytes: undefined };
    expect(await upstream.headManifest('a', V1)).toEqual(nothing);
  });

  it('tells nothing where only GET lets a token in', async () => {
    await using origin = await startOrigin({ auth: { type: 'bearer' } });
    buildImage(origin, 'a', 'v1');
    origin.fault({ method: 'HEAD' }, { kind: 'status', status: 403 });
    await using upstream = connect(origin.url);
    expect((await upstream.headManifest('a', V1)).digest).toBeUndefined();
    expect((await upstream.getManifest('a', V1)).mediaType).toContain('manifest');
  });

  it('of nothing is NOT_FOUND, and a web page is INVALID', async () => {
    await using origin = await startOrigin();
    buildImage(origin, 'a', 'v1');
    await using upstream = connect(origin.url);
    await expect(upstream.headManifest('a', ref('v2'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    origin.fault({ method: 'HEAD' }, { kind: 'html' });
    await expect(upstream.headManifest('a', V1)).rejects.toMatchObject({ code: 'INVALID' });
  });
});

function answer(headers: Record<string, string>): ScriptedAnswer {
  return { headers: { 'content-type': INDEX, ...headers }, body: BODY };
}
