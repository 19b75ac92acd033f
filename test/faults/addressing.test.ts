import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltImage, buildImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError } from './support/expectations.ts';

const opened = new AsyncDisposableStack();
let hub: Origin;
let other: Origin;
let mirror: TestMirror;
let atHub: BuiltImage;
let atOther: BuiltImage;

beforeAll(async () => {
  hub = opened.use(await startOrigin());
  other = opened.use(await startOrigin());
  atHub = buildImage(hub, 'library/app', 'v1');
  atOther = buildImage(other, 'app', 'v1', { seed: 2 });
  buildImage(other, 'library/app', 'v1', { seed: 3 });
  buildImage(other, 'docker.io/app', 'v1', { seed: 4 });
  mirror = opened.use(
    await startMirror(hub, {
      config: { upstreams: { 'docker.io': { url: hub.url, default: true }, 'ghcr.io': { url: other.url } } },
    }),
  );
});

afterAll(async () => opened.disposeAsync());

describe('an image of the default upstream', () => {
  test.each([
    '/v2/app/manifests/v1',
    '/v2/library/app/manifests/v1',
    '/v2/docker.io/app/manifests/v1',
    '/v2/docker.io/library/app/manifests/v1',
    '/v2/index.docker.io/library/app/manifests/v1',
    '/v2/registry-1.docker.io/library/app/manifests/v1',
    '/v2/library/app/manifests/v1?ns=docker.io',
    '/v2/app/manifests/v1?ns=docker.io',
    '/v2/library/app/manifests/v1?ns=index.docker.io',
    '/v2/library/app/manifests/v1?ns=registry-1.docker.io',
    '/v2/docker.io/library/app/manifests/v1?ns=docker.io',
    '/v2/docker.io/library/app/manifests/v1?ns=registry-1.docker.io',
    '/docker.io/v2/library/app/manifests/v1',
    '/docker.io/v2/library/app/manifests/v1?ns=docker.io',
    '/registry-1.docker.io/v2/library/app/manifests/v1',
    '/v2/library%2Fapp/manifests/v1',
  ])('is pulled by %s', async (path) => {
    const answer = await ask(mirror, path);
    expectContent(answer, atHub.digest);
    const [, namespace] = /ns=(.+)/.exec(path) ?? [];
    if (namespace !== undefined) expect(['docker.io', namespace]).toContain(answer.headers['oci-namespace']);
  });

  test('is one repository whichever way it is asked for', async () => {
    const { body } = await ask(mirror, '/v2/_catalog');
    expect(JSON.parse(body.toString())).toEqual({ repositories: ['docker.io/library/app'] });
    expect(hub.requestCount({ method: 'GET', path: '/manifests/' })).toBe(1);
    for (const { url } of hub.requests) expect(url).not.toContain('ns=');
  });
});

describe('an image of another upstream', () => {
  test.each([
    '/v2/app/manifests/v1?ns=ghcr.io',
    '/v2/ghcr.io/app/manifests/v1',
    '/v2/ghcr.io/app/manifests/v1?ns=ghcr.io',
    '/ghcr.io/v2/app/manifests/v1',
    '/ghcr.io/v2/app/manifests/v1?ns=ghcr.io',
  ])('is pulled by %s, without library/', async (path) => {
    const answer = await ask(mirror, path);
    expectContent(answer, atOther.digest);
    if (path.includes('ns=')) expect(answer.headers['oci-namespace']).toBe('ghcr.io');
  });

  test('has blobs, tags and referrers of its own', async () => {
    expectContent(await ask(mirror, `/v2/app/blobs/${atOther.config}?ns=ghcr.io`), atOther.config);
    expectError(await ask(mirror, `/v2/app/blobs/${atOther.config}?ns=docker.io`), 404, 'BLOB_UNKNOWN');
    const tags = await ask(mirror, '/v2/app/tags/list?ns=ghcr.io');
    expect(tags.headers['oci-namespace']).toBe('ghcr.io');
    expect(JSON.parse(tags.body.toString())).toMatchObject({ tags: ['v1'] });
    const referrers = await ask(mirror, `/v2/app/referrers/${atOther.digest}?ns=ghcr.io`);
    expect(referrers.status).toBe(200);
    expect(referrers.headers['oci-namespace']).toBe('ghcr.io');
  });
});

describe('a registry that is not configured', () => {
  const port = '127.0.0.1:1';
  test.each([
    '/v2/library/app/manifests/v1?ns=quay.io',
    `/v2/library/app/manifests/v1?ns=${port}`,
    '/v2/library/app/manifests/v1?ns=169.254.169.254',
    '/v2/library/app/manifests/v1?ns=..%2F..',
    '/v2/library/app/manifests/v1?ns=http%3A%2F%2Fdocker.io',
    '/v2/library/app/manifests/v1?ns=docker.io%00',
    `/v2/library/app/blobs/sha256:${'a'.repeat(64)}?ns=quay.io`,
    '/v2/library/app/tags/list?ns=quay.io',
    `/v2/library/app/referrers/sha256:${'a'.repeat(64)}?ns=quay.io`,
    '/v2/library/app/manifests/v1?ns=ghcr.io&ns=quay.io',
  ])('in %s is NAME_UNKNOWN, or at least an error', async (path) => {
    const answer = await ask(mirror, path);
    if (path.includes('&ns=')) {
      expect([200, 400, 404]).toContain(answer.status);
      return;
    }
    expectError(answer, 404, 'NAME_UNKNOWN');
  });

  test.each(['/quay.io/v2/library/app/manifests/v1', '/127.0.0.1:1/v2/library/app/manifests/v1'])(
    'before /v2/ in %s is 404',
    async (path) => {
      expectError(await ask(mirror, path), 404);
    },
  );

  test('gives nothing away when the digest is cached elsewhere', async () => {
    const secret = Buffer.from('only at ghcr.io');
    const digest = other.addBlob(secret);
    expect(digest).toBe(`sha256:${createHash('sha256').update(secret).digest('hex')}`);
    expectContent(await ask(mirror, `/v2/app/blobs/${digest}?ns=ghcr.io`), digest);
    expectError(await ask(mirror, `/v2/library/app/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
    expectError(await ask(mirror, `/v2/app/manifests/${atOther.digest}`), 404, 'MANIFEST_UNKNOWN');
  });
});
