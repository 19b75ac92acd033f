import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltImage, buildImage } from '../support/images.ts';
import { ask, askRaw } from './support/ask.ts';
import { expectContent, expectError, expectErrorBody } from './support/expectations.ts';
import { setStage, type Stage } from './support/stage.ts';

let stage: Stage;
let image: BuiltImage;
const NO_DIGEST = `sha256:${'a'.repeat(64)}`;

beforeAll(async () => {
  stage = await setStage();
  image = buildImage(stage.origin, 'library/app', 'v1', { layers: [5000] });
});

// Disposed of, the origin throws if it was asked for something unexpected.
afterAll(async () => stage[Symbol.asyncDispose]());

describe('a request for nothing that there is', () => {
  test.each([
    '/',
    '/v1/search',
    '/v3/',
    '/v2/app',
    '/v2/library/app/',
    '/v2/library/app/manifests',
    '/v2/library/app/manifests/',
    '/v2/library/app/blobs/',
    '/v2/library/app/tags',
    '/v2/library/app/tags/list/more',
    '/v2/library/app/tags/other',
    '/v2/library/app/referrers/',
    '/v2/manifests/v1',
    '/v2//manifests/v1',
    '/v2/library//app/manifests/v1',
    '/v2/../manifests/v1',
    '/v2/library/../../etc/passwd/manifests/v1',
    '/v2/library/%2e%2e/manifests/v1',
    '/v2/library/app/manifests/%2e%2e%2f%2e%2e',
    '/v2/library/app/manifests/v1%00',
    '/v2/library/app/manifests/%zz',
    '/v2/library/app/manifests/%',
    '/v2/library/app/manifests/%c3%28',
    '/v2/%/manifests/v1',
    '/v2/library%252fapp/manifests/v1',
    '/v2/_catalog/more',
    '/v2/library/app/blobs/uploads/',
    '/v2/library/app/_oci/ext/discover',
    '/////',
    '/v2/library/app/manifests/v1/',
    `/v2/${'a/'.repeat(400)}manifests/v1`,
  ])('%s is an error in JSON', async (path) => {
    expectError(await ask(stage.mirror, path), [400, 404, 405]);
    const head = await ask(stage.mirror, path, { method: 'HEAD' });
    expect([400, 404, 405]).toContain(head.status);
    expect(head.body.length).toBe(0);
  });

  test('asks nothing of upstream', () => {
    expect(stage.origin.requests).toEqual([]);
  });

  test.each([
    'sha256:short',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'g'.repeat(64)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha512:${'a'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
    'sha256:',
    ':',
    'v1',
    `sha256%3A${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(62)}%2f`,
  ])('by the bad digest %s is an error in JSON for blobs and referrers', async (digest) => {
    expectError(await ask(stage.mirror, `/v2/library/app/blobs/${digest}`), [400, 404]);
    expectError(await ask(stage.mirror, `/v2/library/app/referrers/${digest}`), [400, 404]);
    if (digest !== 'v1') expectError(await ask(stage.mirror, `/v2/library/app/manifests/${digest}`), [400, 404]);
    expect(stage.origin.requests).toEqual([]);
  });

  test('by a digest of a bad form is DIGEST_INVALID', async () => {
    expectError(await ask(stage.mirror, '/v2/library/app/blobs/sha256:short'), 400, 'DIGEST_INVALID');
    expectError(await ask(stage.mirror, '/v2/library/app/referrers/sha256:short'), 400, 'DIGEST_INVALID');
  });

  test.each([
    'Library/app',
    'library/App',
    'library/-app',
    'library/app-',
    'a__-b',
    'library/a..b',
    'library/a b',
    'ü',
  ])('in the bad name %s is NAME_INVALID', async (name) => {
    const path = `/v2/${encodeURI(name)}/manifests/v1`;
    expectError(await ask(stage.mirror, path), [400, 404], ['NAME_INVALID', 'NAME_UNKNOWN']);
    expect(stage.origin.requests).toEqual([]);
  });

  test.each(['-v1', '.v1', 'a'.repeat(129), 'v%201', 'v1+2'])('by the bad tag %s is an error', async (tag) => {
    expectError(await ask(stage.mirror, `/v2/library/app/manifests/${tag}`), [400, 404]);
    expect(stage.origin.requests).toEqual([]);
  });

  test('is 404 of the right code when upstream does not have it', async () => {
    const { mirror } = stage;
    expectError(await ask(mirror, '/v2/library/app/manifests/nope'), 404, 'MANIFEST_UNKNOWN');
    expectError(await ask(mirror, `/v2/library/app/manifests/${NO_DIGEST}`), 404, 'MANIFEST_UNKNOWN');
    expectError(await ask(mirror, `/v2/library/app/blobs/${NO_DIGEST}`), 404, 'BLOB_UNKNOWN');
    expectError(await ask(mirror, '/v2/library/nothing/tags/list'), 404, 'NAME_UNKNOWN');
  });
});

describe('a method that the mirror does not do', () => {
  test.each([
    ['PUT', 'manifests/v1'],
    ['DELETE', 'manifests/v1'],
    ['DELETE', `blobs/${NO_DIGEST}`],
    ['POST', 'blobs/uploads/'],
    ['GET', 'blobs/uploads/0123'],
  ])('for anybody: %s of %s is 403', async (method, path) => {
    expectError(await ask(stage.mirror, `/v2/library/app/${path}`, { method }), 403, 'DENIED');
  });

  test.each([
    ['POST', 'manifests/v1'],
    ['PATCH', 'manifests/v1'],
    ['PUT', `blobs/${NO_DIGEST}`],
    ['GET', 'blobs/uploads/'],
    ['POST', 'blobs/uploads/0123'],
    ['POST', 'tags/list'],
    ['DELETE', `referrers/${NO_DIGEST}`],
    ['PROPFIND', 'manifests/v1'],
  ])('%s of %s is 405 with Allow', async (method, path) => {
    const answer = await ask(stage.mirror, `/v2/library/app/${path}`, { method });
    expectError(answer, 405, 'UNSUPPORTED');
    expect(answer.headers['allow']).toBeDefined();
  });

  test.each(['/v2/', '/v2/_catalog'])('POST of %s is 405 with Allow: GET, HEAD', async (path) => {
    const answer = await ask(stage.mirror, path, { method: 'POST' });
    expectError(answer, 405, 'UNSUPPORTED');
    expect(answer.headers['allow']?.split(/, */).toSorted()).toEqual(['GET', 'HEAD']);
  });
});

describe('a request that is too large or broken', () => {
  test.each([
    { name: 'one huge header', text: `GET /v2/ HTTP/1.1\r\nHost: m\r\nX-Junk: ${'x'.repeat(200_000)}\r\n\r\n` },
    {
      name: 'thousands of headers',
      text: `GET /v2/ HTTP/1.1\r\nHost: m\r\n${'X-Junk: 12345678\r\n'.repeat(9000)}\r\n`,
    },
    { name: 'a huge query', text: `GET /v2/?x=${'x'.repeat(200_000)} HTTP/1.1\r\nHost: m\r\n\r\n` },
  ])('by $name is 431 in JSON', async ({ text }) => {
    const answer = await askRaw(stage.mirror, text);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expectRawError(answer);
  });

  test.each([
    { name: 'a header without a name', text: 'GET /v2/ HTTP/1.1\r\nHost: m\r\n: x\r\n\r\n' },
    { name: 'no HTTP', text: 'hello\r\n\r\n' },
    { name: 'two lengths', text: 'GET /v2/ HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx' },
    { name: 'a NUL in the path', text: 'GET /v2/\0 HTTP/1.1\r\nHost: m\r\n\r\n' },
    { name: 'no Host', text: 'GET /v2/ HTTP/1.1\r\n\r\n' },
  ])('by $name is 400', async ({ text }) => {
    expect(await askRaw(stage.mirror, text)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('does not end the mirror', async () => {
    expectContent(await ask(stage.mirror, '/v2/library/app/manifests/v1'), image.digest);
  });
});

function expectRawError(answer: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [, contentType] = /^content-type: *(.+)$/im.exec(head) ?? [];
  expectErrorBody({ headers: { 'content-type': contentType?.trim() }, body: Buffer.from(body) });
}
