import { expect, test } from 'vitest';
import { seededBytes, sha256 } from './bytes.ts';
import { buildIndex } from './images.ts';
import { startOrigin } from './origin.ts';

const bytes = seededBytes(1_000_000, 7);
const digest = sha256(bytes);
const path = `/v2/team/app/blobs/${digest}`;

async function body(answer: Response): Promise<string> {
  return sha256(new Uint8Array(await answer.arrayBuffer()));
}

test('sends a blob, and counts its bytes', async () => {
  await using origin = await startOrigin();
  expect(origin.addBlob(bytes)).toBe(digest);
  expect(await body(await fetch(origin.url + path))).toBe(digest);
  expect(origin.blobBytesSent(digest)).toBe(1_000_000);
  expect(origin.requestCount({ method: 'GET', path })).toBe(1);
  expect(origin.requests[0]).toMatchObject({ method: 'GET', path, status: 200, bodyBytes: 1_000_000 });
});

test.each([
  ['bytes=10-19', 'bytes 10-19/1000000', bytes.subarray(10, 20)],
  ['bytes=-5', 'bytes 999995-999999/1000000', bytes.subarray(-5)],
  ['bytes=999990-', 'bytes 999990-999999/1000000', bytes.subarray(-10)],
  ['bytes=999990-2000000', 'bytes 999990-999999/1000000', bytes.subarray(-10)],
])('answers %s with that part', async (range, contentRange, part) => {
  await using origin = await startOrigin();
  origin.addBlob(bytes);
  const answer = await fetch(origin.url + path, { headers: { range } });
  expect(answer.status).toBe(206);
  expect(answer.headers.get('content-range')).toBe(contentRange);
  expect(await body(answer)).toBe(sha256(part));
  expect(origin.blobBytesSent()).toBe(part.length);
});

test('answers a range past the end with 416, and none at all with 200 if told to ignore ranges', async () => {
  await using origin = await startOrigin();
  origin.addBlob(bytes);
  expect((await fetch(origin.url + path, { headers: { range: 'bytes=1000000-' } })).status).toBe(416);
  await using plain = await startOrigin({ ranges: false });
  plain.addBlob(bytes);
  expect((await fetch(plain.url + path, { headers: { range: 'bytes=5-' } })).status).toBe(200);
});

test('serves manifests by tag and digest, byte for byte', async () => {
  await using origin = await startOrigin();
  const index = buildIndex(origin, 'team/app', 'v1', { format: 'docker' });
  for (const reference of ['v1', index.digest]) {
    const answer = await fetch(`${origin.url}/v2/team/app/manifests/${reference}`);
    expect(answer.headers.get('content-type')).toBe(index.mediaType);
    expect(answer.headers.get('docker-content-digest')).toBe(index.digest);
    expect(await body(answer)).toBe(index.digest);
  }
  const head = await fetch(`${origin.url}/v2/team/app/manifests/v1`, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String(index.bytes.length));
  const other = { headers: { accept: 'application/json' } };
  expect((await fetch(`${origin.url}/v2/team/app/manifests/v1`, other)).status).toBe(404);
});

test('pages tags', async () => {
  await using origin = await startOrigin({ tags: { pageLimit: 2 } });
  for (const tag of ['c', 'a', 'b']) origin.addManifest('team/app', tag, {}, 'application/json');
  const answer = await fetch(`${origin.url}/v2/team/app/tags/list`);
  expect(await answer.json()).toEqual({ name: 'team/app', tags: ['a', 'b'] });
  expect(answer.headers.get('link')).toBe('</v2/team/app/tags/list?n=2&last=b>; rel="next"');
});

test('lets no one in without a token of the right scope that has not expired', async () => {
  await using origin = await startOrigin({
    auth: { type: 'bearer', credentials: { alice: 'secret' }, method: 'both', server: 'other' },
  });
  origin.addBlob(bytes);
  const challenge = (await fetch(origin.url + path)).headers.get('www-authenticate');
  expect(challenge).toBe(`Bearer realm="${origin.tokenUrl}",service="origin",scope="repository:team/app:pull"`);

  const tokenFor = async (scope: string) => {
    const headers = { authorization: `Basic ${btoa('alice:secret')}` };
    const answer = await fetch(`${origin.tokenUrl}?service=origin&scope=${scope}`, { headers });
    const { token } = (await answer.json()) as { token: string };
    return { headers: { authorization: `Bearer ${token}` } };
  };
  const other = await fetch(origin.url + path, await tokenFor('repository:team/other:pull'));
  expect(other.status).toBe(401);
  expect(other.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  const right = await tokenFor('repository:team/app:pull');
  expect((await fetch(origin.url + path, right)).status).toBe(200);
  origin.expireTokens();
  expect((await fetch(origin.url + path, right)).headers.get('www-authenticate')).toContain('error="invalid_token"');
  expect(origin.tokenRequests).toHaveLength(2);
});

test('gives a token to username and password by POST, and for the refresh token', async () => {
  await using origin = await startOrigin({
    auth: { type: 'bearer', credentials: { alice: 'secret' }, method: 'post' },
  });
  const ask = async (form: Record<string, string>) => {
    const login = { service: 'origin', client_id: 'test', scope: 'repository:a:pull', ...form };
    return fetch(origin.tokenUrl, { method: 'POST', body: new URLSearchParams(login) });
  };
  const user = { grant_type: 'password', username: 'alice', access_type: 'offline' };
  expect((await ask({ ...user, password: 'wrong' })).status).toBe(401);
  const first = (await (await ask({ ...user, password: 'secret' })).json()) as { refresh_token: string };
  const second = await ask({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
  expect(await second.json()).toMatchObject({ expires_in: 300 });
  expect((await fetch(origin.tokenUrl)).status).toBe(404);
});

test('redirects blobs to a storage that refuses Authorization and old signatures', async () => {
  await using origin = await startOrigin({ redirectBlobs: { to: 'other', signed: { lifetimeMs: 50 } } });
  origin.addBlob(bytes);
  expect(await body(await fetch(origin.url + path))).toBe(digest);
  expect(origin.blobBytesSent(digest)).toBe(1_000_000);
  const redirect = await fetch(origin.url + path, { redirect: 'manual' });
  const location = redirect.headers.get('location') ?? '';
  expect((await fetch(location, { headers: { authorization: 'Basic x' } })).status).toBe(400);
  await new Promise((resolve) => {
    setTimeout(resolve, 60);
  });
  expect((await fetch(location)).status).toBe(403);
  expect(origin.cdnRequests.map(({ status }) => status)).toEqual([200, 400, 403]);
});

test('breaks bodies as it is told, so often as it is told', async () => {
  await using origin = await startOrigin();
  origin.addBlob(bytes);
  const url = origin.url + path;
  for (const kind of ['truncate', 'reset'] as const) {
    origin.resetCounts();
    origin.fault({ path: digest }, { kind, afterBytes: 1000 }, { times: 1 });
    await expect(fetch(url).then(body)).rejects.toThrow('terminated');
    expect(origin.blobBytesSent()).toBe(1000);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  }
  origin.fault({ path: /blobs/ }, { kind: 'corrupt' }, { times: 1 });
  expect(await body(await fetch(url))).not.toBe(digest);
  origin.fault({ path: /blobs/ }, { kind: 'wrongLength', length: 12 }, { times: 1 });
  expect((await fetch(url)).headers.get('content-length')).toBe('12');
  origin.fault({ path: /blobs/ }, { kind: 'noLength' }, { times: 1 });
  expect((await fetch(url)).headers.get('transfer-encoding')).toBe('chunked');
  expect(await body(await fetch(url))).toBe(digest);
});

test('takes answers away as it is told', async () => {
  await using origin = await startOrigin();
  origin.addBlob(bytes);
  const url = origin.url + path;
  origin.fault({ range: true }, { kind: 'status', status: 429, headers: { 'retry-after': '1' } }, { times: 1 });
  expect((await fetch(url)).status).toBe(200);
  expect((await fetch(url, { headers: { range: 'bytes=0-1' } })).status).toBe(429);
  origin.fault({ path }, { kind: 'reset' }, { times: 1 });
  await expect(fetch(url)).rejects.toThrow('fetch failed');
  origin.fault({ path }, { kind: 'stall', afterBytes: -1 });
  await expect(fetch(url, { signal: AbortSignal.timeout(50) })).rejects.toThrow('aborted');
  origin.clearFaults();
  origin.fault({ path }, { kind: 'html' }, { times: 1 });
  expect((await fetch(url)).headers.get('content-type')).toBe('text/html');
});

test('slows down', async () => {
  await using origin = await startOrigin();
  origin.addBlob(bytes);
  origin.fault({ path: digest }, { kind: 'slow', bytesPerSecond: 5_000_000 });
  const start = performance.now();
  expect(await body(await fetch(origin.url + path))).toBe(digest);
  expect(performance.now() - start).toBeGreaterThan(150);
});

test('counts little of a large blob that a client leaves early', async () => {
  await using origin = await startOrigin();
  const large = origin.addBlob(seededBytes(64 * 1024 * 1024, 8));
  const leaving = new AbortController();
  const answer = await fetch(`${origin.url}/v2/a/blobs/${large}`, { signal: leaving.signal });
  expect(answer.status).toBe(200);
  leaving.abort();
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
  expect(origin.blobBytesSent(large)).toBeLessThan(16 * 1024 * 1024);
});

test('refuses connections while it is stopped, and comes back on its port', async () => {
  await using origin = await startOrigin();
  const { url } = origin;
  await origin.stop();
  await expect(fetch(`${url}/v2/`)).rejects.toThrow('fetch failed');
  await origin.restart();
  expect(origin.url).toBe(url);
  expect((await fetch(`${url}/v2/`)).status).toBe(200);
});

test('complains of unexpected requests in the end', async () => {
  const origin = await startOrigin();
  expect((await fetch(`${origin.url}/v2/_catalog`)).status).toBe(500);
  await expect(origin[Symbol.asyncDispose]()).rejects.toThrow('unexpected requests to the origin: GET /v2/_catalog');
});
