import { describe, expect, test } from 'vitest';
import { digestOf, seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import { ask, type ClientAnswer } from './support/ask.ts';
import { expectCached, expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const REPOSITORY = '/v2/library/app';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const SAME = ['content-type', 'content-length', 'docker-content-digest', 'etag', 'accept-ranges'];

function pick({ headers }: ClientAnswer): Record<string, unknown> {
  return Object.fromEntries(SAME.map((name) => [name, headers[name]]));
}

describe.concurrent('HEAD', () => {
  test('has the headers of GET, and no body, before and after the content is cached', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    for (const path of ['manifests/v1', `manifests/${image.digest}`, `blobs/${image.config}`, 'tags/list']) {
      const cold = await ask(mirror, `${REPOSITORY}/${path}`, { method: 'HEAD' });
      const get = await ask(mirror, `${REPOSITORY}/${path}`);
      const warm = await ask(mirror, `${REPOSITORY}/${path}`, { method: 'HEAD' });
      expect(get.status).toBe(200);
      for (const head of [cold, warm]) {
        expect(head.status).toBe(200);
        expect(head.body.length).toBe(0);
        expect(pick(head), path).toEqual(pick(get));
      }
    }
    const ping = await ask(mirror, '/v2/', { method: 'HEAD' });
    expect(ping.status).toBe(200);
  });
});

describe.concurrent('an answer', () => {
  test('has the headers that clients need', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { format: 'docker' });
    for (let round = 0; round < 2; round++) {
      const manifest = await ask(mirror, `${REPOSITORY}/manifests/v1`);
      expectContent(manifest, image.digest);
      expect(manifest.headers['content-type']).toBe(image.mediaType);
      expect(manifest.body.equals(image.bytes)).toBe(true);
      const blob = await ask(mirror, `${REPOSITORY}/blobs/${image.config}`);
      expectContent(blob, image.config);
      expect(blob.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' });
      for (const { headers } of [manifest, blob]) expect(headers['cache-status']).toMatch(/^[^;]+;/);
    }
    const ping = await ask(mirror, '/v2/');
    expect(ping.status).toBe(200);
    expect(ping.headers['www-authenticate']).toBeUndefined();
  });

  test('is never encoded, and upstream is never asked for an encoding', async () => {
    await using stage = await setStage({ from: { auth: { type: 'bearer', anonymous: true } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const headers = { 'Accept-Encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5, br, identity;q=0' };
    const referrers = `referrers/${image.digest}`;
    const paths = ['manifests/v1', `blobs/${image.config}`, 'tags/list', referrers, 'manifests/nope', 'junk'];
    for (const path of [...paths, ...paths]) {
      const answer = await ask(mirror, `${REPOSITORY}/${path}`, { headers });
      expect(answer.headers['content-encoding'], path).toBeUndefined();
      expect(answer.headers['transfer-encoding'], path).toBeUndefined();
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
    }
    for (const { headers: asked } of [...origin.requests, ...origin.tokenRequests]) {
      expect(asked['accept-encoding'] ?? 'identity').toBe('identity');
      expect(asked['user-agent']).toMatch(/entrepot/i);
    }
  });

  test('is refused if upstream encodes it all the same', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const headers = { 'Content-Encoding': 'gzip', 'Content-Type': image.mediaType };
    origin.fault({ path: '/app/' }, { kind: 'status', status: 200, headers, body: 'not what it says' });
    expectError(await ask(mirror, `${REPOSITORY}/manifests/v1`), GATEWAY_ERRORS);
  });

  test.each(['manifests', 'blobs'] as const)('of %s is 304 to who has it already', async (kind) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const digest = kind === 'blobs' ? image.config : image.digest;
    for (const path of kind === 'blobs' ? [`blobs/${digest}`] : ['manifests/v1', `manifests/${digest}`]) {
      const { headers } = await ask(mirror, `${REPOSITORY}/${path}`);
      expect(headers.etag).toBe(`"${digest}"`);
      for (const tag of [`"${digest}"`, `W/"${digest}"`, `"x", "${digest}"`]) {
        for (const method of ['GET', 'HEAD']) {
          const same = await ask(mirror, `${REPOSITORY}/${path}`, { method, headers: { 'If-None-Match': tag } });
          expect(same.status, `${path} ${tag}`).toBe(304);
          expect(same.headers.etag).toBe(`"${digest}"`);
          expect(same.body.length).toBe(0);
        }
      }
      expectContent(await ask(mirror, `${REPOSITORY}/${path}`, { headers: { 'If-None-Match': '"other"' } }), digest);
    }
  });

  test('is 304 to who has anything (RFC 9110, 13.1.2)', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    for (const path of ['manifests/v1', `blobs/${image.config}`]) {
      await ask(mirror, `${REPOSITORY}/${path}`);
      expect((await ask(mirror, `${REPOSITORY}/${path}`, { headers: { 'If-None-Match': '*' } })).status).toBe(304);
    }
  });

  test('is what upstream has, whatever the client accepts and in however many lines', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const types = ['application/vnd.docker.distribution.manifest.v2+json', MANIFEST];
    const accepts = [types, types.toReversed(), types.join(', '), '*/*', `${MANIFEST};q=0.5, */*;q=0.1`];
    for (const accept of accepts) {
      expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`, { headers: { Accept: accept } }), image.digest);
    }
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    for (const { headers } of origin.requests) expect(headers.accept).toContain('manifest.list.v2+json');
  });
});

describe.concurrent('sha512', () => {
  test('blobs and manifests are verified, served and kept', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const bytes = seededBytes(100_000, 'sha512');
    const blob = origin.addBlob(bytes, 'sha512');
    const config = { mediaType: 'application/octet-stream', digest: blob, size: bytes.length };
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [] }));
    const digest = digestOf(manifest, 'sha512');
    const serve = (content: Buffer) =>
      origin.fault(
        { path: digest },
        {
          kind: 'handler',
          handle: (request, response) => {
            response.writeHead(200, { 'Content-Type': MANIFEST, 'Content-Length': content.length });
            response.end(request.method === 'HEAD' ? undefined : content);
          },
        },
      );
    serve(Buffer.from(`${manifest.toString()} `));
    expectError(await ask(mirror, `${REPOSITORY}/manifests/${digest}`), GATEWAY_ERRORS);
    origin.clearFaults();
    serve(manifest);
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/${digest}`), digest);
    origin.fault({ path: '/blobs/' }, { kind: 'corrupt' }, { times: 1 });
    const broken = await ask(mirror, `${REPOSITORY}/blobs/${blob}`);
    if (broken.status === 200) expect(broken.whole).toBe(false);
    else expectError(broken, GATEWAY_ERRORS);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${blob}`), blob);
    await origin.stop();
    await mirror.restart();
    expectCached(await ask(mirror, `${REPOSITORY}/blobs/${blob}`), blob);
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/${digest}`), digest);
    const part = await ask(mirror, `${REPOSITORY}/blobs/${blob}`, { headers: { Range: 'bytes=7-8' } });
    expect(part.body.equals(bytes.subarray(7, 9))).toBe(true);
  });
});
