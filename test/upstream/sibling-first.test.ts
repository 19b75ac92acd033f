import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';
import { NOT_CACHED_STATUS } from '../../src/util/only-if-cached.ts';
import type { Fault } from '../support/origin-faults.ts';
import { readAll, ref } from './connect.ts';
import { addBlob, addManifest, INDEX, NAME, type Pair, PATH, startPair } from './sibling-pair.ts';

const NOT_CACHED: Fault = { kind: 'status', status: 504, headers: { 'Cache-Status': NOT_CACHED_STATUS } };

async function read(pair: Pair, digest: Parameters<Pair['upstream']['getBlob']>[1], options = {}): Promise<Buffer> {
  await using stream = await pair.upstream.getBlob(PATH, digest, undefined, options);
  return readAll(stream.body);
}

describe.concurrent('what has a digest', () => {
  it('comes from the sibling, which is asked for what it has in its store', async () => {
    await using pair = await startPair();
    const { near, origin, upstream } = pair;
    const manifest = addManifest(pair, 'both');
    const { digest, bytes } = addBlob(pair, 5000);
    const reference = { kind: 'digest', digest: manifest } as const;
    expect(await upstream.headManifest(PATH, reference)).toMatchObject({ digest: manifest, mediaType: INDEX });
    expect(await upstream.getManifest(PATH, reference)).toMatchObject({ digest: manifest });
    expect(await upstream.headBlob(PATH, digest)).toEqual({ sizeBytes: 5000 });
    expect((await read(pair, digest)).equals(bytes)).toBe(true);
    expect(origin.requests).toEqual([]);
    const paths = [`manifests/${manifest}`, `manifests/${manifest}`, `blobs/${digest}`, `blobs/${digest}`];
    expect(near.requests.map(({ url }) => url)).toEqual(paths.map((path) => `/v2/${NAME}/${path}`));
    expect(near.requests.map(({ headers }) => headers['cache-control'])).toEqual(Array(4).fill('only-if-cached'));
  });

  it('is counted as received from the sibling', async () => {
    await using pair = await startPair();
    await read(pair, addBlob(pair, 5000).digest);
    const { values } = await pair.metrics.upstreamBytes.get();
    expect(values).toMatchObject([{ labels: { upstream: 'near' }, value: 5000 }]);
  });

  it.each<[string, Fault]>([
    ['says that it does not have it', NOT_CACHED],
    ['says 404', { kind: 'status', status: 404 }],
    ['says 403', { kind: 'status', status: 403 }],
    ['says 504 for another reason', { kind: 'status', status: 504 }],
    ['says 500', { kind: 'status', status: 500 }],
    ['says 429', { kind: 'status', status: 429 }],
    ['breaks the connection', { kind: 'reset' }],
    ['does not answer', { kind: 'stall', afterBytes: -1 }],
    ['sends a web page', { kind: 'html' }],
  ])('comes from the upstream when the sibling %s', async (_, fault) => {
    await using pair = await startPair();
    const { near, upstream } = pair;
    near.fault({}, fault);
    const manifest = addManifest(pair, 'both');
    const { digest, bytes } = addBlob(pair, 5000);
    const reference = { kind: 'digest', digest: manifest } as const;
    expect(await upstream.headManifest(PATH, reference)).toMatchObject({ digest: manifest, mediaType: INDEX });
    expect(await upstream.getManifest(PATH, reference)).toMatchObject({ digest: manifest });
    expect(await upstream.headBlob(PATH, digest)).toEqual({ sizeBytes: 5000 });
    expect((await read(pair, digest)).equals(bytes)).toBe(true);
  });

  it('comes from the upstream when the sibling is gone', async () => {
    await using pair = await startPair();
    const { digest, bytes } = addBlob(pair, 5000);
    await pair.near.stop();
    expect((await read(pair, digest)).equals(bytes)).toBe(true);
  });

  it('comes from the upstream when the sibling has another manifest in its place', async () => {
    await using pair = await startPair();
    const digest = addManifest(pair, 'both');
    pair.near.fault({ method: 'GET' }, { kind: 'corrupt' });
    expect(await pair.upstream.getManifest(PATH, { kind: 'digest', digest })).toMatchObject({ digest });
  });

  it('fails as it does at the upstream when both fail', async () => {
    await using pair = await startPair();
    const { digest } = addBlob(pair, 10);
    pair.near.fault({}, { kind: 'status', status: 500 });
    pair.origin.fault({}, { kind: 'status', status: 403 });
    await expect(read(pair, digest)).rejects.toMatchObject({ code: 'DENIED', upstream: 'origin.test' });
    await expect(pair.upstream.getManifest(PATH, { kind: 'digest', digest })).rejects.toMatchObject({
      code: 'DENIED',
      upstream: 'origin.test',
    });
  });

  it('is not asked of the upstream for a caller who has left', async () => {
    await using pair = await startPair();
    pair.near.fault({}, { kind: 'stall', afterBytes: -1 });
    const leaving = new AbortController();
    const asking = read(pair, addBlob(pair, 10).digest, { signal: leaving.signal });
    await pair.near.waitForRequests({});
    leaving.abort();
    await expect(asking).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(pair.origin.requests).toEqual([]);
  });
});

describe.concurrent('a sibling', () => {
  it('that did not have something is not asked for that again at once', async () => {
    await using pair = await startPair();
    const { near, upstream, clock } = pair;
    const digest = addManifest(pair, 'only there', ['origin']);
    const reference = { kind: 'digest', digest } as const;
    await upstream.headManifest(PATH, reference);
    await upstream.getManifest(PATH, reference);
    expect(near.requestCount()).toBe(1);
    near.addManifest(NAME, undefined, { schemaVersion: 2, mediaType: INDEX, manifests: [] }, INDEX);
    clock.now += 5_001;
    await upstream.getManifest(PATH, reference);
    expect(near.requestCount()).toBe(2);
  });

  it('that fails twice is held back, and asked again after a while', async () => {
    await using pair = await startPair();
    const { near, upstream, clock } = pair;
    const { digest } = addBlob(pair, 10);
    near.fault({}, { kind: 'status', status: 500 });
    for (let count = 0; count < 5; count++) await upstream.headBlob(PATH, digest);
    // Each failure is one after a second try.
    expect(near.requestCount()).toBe(4);
    expect(upstream.report()).toMatchObject({
      isBreakerOpen: false,
      siblings: [{ name: 'near', isBreakerOpen: true }],
    });
    near.clearFaults();
    clock.now += 1_001;
    pair.origin.resetCounts();
    await upstream.headBlob(PATH, digest);
    expect(pair.origin.requests).toEqual([]);
    expect(upstream.report().siblings).toEqual([{ name: 'near', isBreakerOpen: false }]);
  });

  it.each(['reset', 'truncate', 'stall'] as const)(
    'that fails in the middle of a blob (%s) is not asked for the rest',
    async (kind) => {
      await using pair = await startPair();
      const { origin, near, upstream, clock } = pair;
      const { digest, bytes } = addBlob(pair, 100_000);
      near.fault({ path: 'blobs' }, { kind, afterBytes: 30_000 });
      await using stream = await upstream.getBlob(PATH, digest, undefined, { sizeBytes: bytes.length });
      const got: Uint8Array[] = [];
      const reading = (async () => {
        for await (const chunk of stream.body) got.push(chunk);
      })();
      await expect(reading).rejects.toMatchObject({ upstream: 'near' });
      expect(Buffer.concat(got).equals(bytes.subarray(0, 30_000))).toBe(true);
      near.clearFaults();
      clock.now += 10_000;
      await using rest = await upstream.getBlob(PATH, digest, { startBytes: 30_000 });
      expect((await readAll(rest.body)).equals(bytes.subarray(30_000))).toBe(true);
      expect([near.requestCount(), origin.requestCount()]).toEqual([1, 1]);
    },
  );

  it('that failed in the middle of a blob is asked for the rest when the upstream fails too', async () => {
    await using pair = await startPair();
    const { origin, near, upstream } = pair;
    const { digest, bytes } = addBlob(pair, 100_000);
    near.fault({ path: 'blobs' }, { kind: 'reset', afterBytes: 30_000 }, { times: 1 });
    await using stream = await upstream.getBlob(PATH, digest, undefined);
    await expect(readAll(stream.body)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    origin.fault({}, { kind: 'status', status: 503 });
    await using rest = await upstream.getBlob(PATH, digest, { startBytes: 30_000 });
    expect((await readAll(rest.body)).equals(bytes.subarray(30_000))).toBe(true);
    near.fault({}, { kind: 'status', status: 500 });
    const both = upstream.getBlob(PATH, digest, { startBytes: 30_000 });
    await expect(both).rejects.toMatchObject({ code: 'UNAVAILABLE', upstream: 'origin.test' });
  });

  it.each([404, 403])(
    'that failed in the middle of a blob is asked for the rest of what the upstream does not give (%i)',
    async (status) => {
      await using pair = await startPair();
      const { origin, near, upstream } = pair;
      const { digest, bytes } = addBlob(pair, 100_000);
      near.fault({ path: 'blobs' }, { kind: 'reset', afterBytes: 30_000 }, { times: 1 });
      origin.fault({}, { kind: 'status', status });
      await using stream = await upstream.getBlob(PATH, digest, undefined);
      await expect(readAll(stream.body)).rejects.toMatchObject({ code: 'UNREACHABLE' });
      await using rest = await upstream.getBlob(PATH, digest, { startBytes: 30_000 });
      expect((await readAll(rest.body)).equals(bytes.subarray(30_000))).toBe(true);
      near.fault({}, { kind: 'status', status: 404 });
      await expect(upstream.getBlob(PATH, digest, undefined)).rejects.toMatchObject({ status });
    },
  );

  it('that sends what it did not promise counts as one whose connection broke', async () => {
    await using pair = await startPair();
    const { digest, bytes } = addBlob(pair, 100_000);
    pair.near.fault(
      { path: 'blobs' },
      {
        kind: 'handler',
        handle: (_request, response) => {
          response.writeHead(206, { 'Content-Range': `bytes 0-9/${bytes.length}` }).end(bytes);
        },
      },
    );
    await using stream = await pair.upstream.getBlob(PATH, digest, { startBytes: 0, endBytes: 10 });
    await expect(readAll(stream.body)).rejects.toMatchObject({ code: 'UNREACHABLE', upstream: 'near' });
  });

  it('that has another size for a blob than its descriptor is passed over', async () => {
    await using pair = await startPair();
    const { digest, bytes } = addBlob(pair, 5000);
    pair.near.fault({ path: 'blobs' }, { kind: 'wrongLength', length: 4000 });
    expect((await read(pair, digest, { sizeBytes: 5000 })).equals(bytes)).toBe(true);
    pair.near.clearFaults();
    await read(pair, digest, { sizeBytes: 5000 });
    expect(pair.near.requestCount()).toBe(1);
  });

  it('whose bytes were wrong is passed over for that digest, for ten minutes', async () => {
    await using pair = await startPair();
    const { near, origin, upstream, clock } = pair;
    const { digest } = addBlob(pair, 5000);
    await read(pair, digest);
    upstream.distrust?.(PATH, digest);
    expect((await pair.metrics.siblingDistrusts.get()).values).toMatchObject([
      { labels: { sibling: 'near' }, value: 1 },
    ]);
    clock.now += 599_000;
    await read(pair, digest);
    expect([near.requestCount(), origin.requestCount()]).toEqual([1, 1]);
    clock.now += 2_000;
    await read(pair, digest);
    expect([near.requestCount(), origin.requestCount()]).toEqual([2, 1]);
  });

  it('that gave nothing of a blob is not to blame for its bytes', async () => {
    await using pair = await startPair();
    const { near, upstream, clock } = pair;
    const { digest } = addBlob(pair, 5000);
    near.fault({}, { kind: 'status', status: 404 }, { times: 1 });
    await read(pair, digest);
    upstream.distrust?.(PATH, digest);
    clock.now += 10_000;
    await read(pair, digest);
    expect(near.requestCount()).toBe(2);
  });
});

describe.concurrent('a tag', () => {
  const V1 = ref('v1');

  async function startTagged(): Promise<Pair & { old: string; recent: string }> {
    const pair = await startPair({ manifestHeaders: () => ({ Age: '60' }) });
    const [old, recent] = [addManifest(pair, 'old'), addManifest(pair, 'new')];
    pair.near.moveTag(NAME, 'v1', old);
    pair.origin.moveTag(PATH, 'v1', recent);
    return { ...pair, old, recent };
  }

  it('is what the upstream says', async () => {
    await using pair = await startTagged();
    expect(await pair.upstream.headManifest(PATH, V1)).toMatchObject({ digest: pair.recent });
    expect(await pair.upstream.getManifest(PATH, V1)).toMatchObject({ digest: pair.recent });
    expect(pair.near.requests).toEqual([]);
  });

  it.each<[string, Fault]>([
    ['says 500', { kind: 'status', status: 500 }],
    ['says 429', { kind: 'status', status: 429 }],
    ['breaks the connection', { kind: 'reset' }],
    ['does not answer', { kind: 'stall', afterBytes: -1 }],
    ['sends a web page', { kind: 'html' }],
  ])('is what the sibling says when the upstream %s', async (_, fault) => {
    await using pair = await startTagged();
    pair.origin.fault({}, fault);
    for (const told of [await pair.upstream.headManifest(PATH, V1), await pair.upstream.getManifest(PATH, V1)]) {
      expect(told.digest).toBe(pair.old);
      // Perhaps almost a second more than it says, and what the answer took.
      expect(told.ageMs).toBeGreaterThanOrEqual(61_000);
      expect(told.ageMs).toBeLessThan(120_000);
    }
  });

  it.each([404, 403])('is not asked of the sibling when the upstream says %i', async (status) => {
    await using pair = await startTagged();
    pair.origin.fault({}, { kind: 'status', status });
    await expect(pair.upstream.getManifest(PATH, V1)).rejects.toBeInstanceOf(UpstreamError);
    expect(pair.near.requests).toEqual([]);
  });

  it('is what the sibling was told later than we were, or unknown', async () => {
    await using pair = await startTagged();
    pair.origin.fault({}, { kind: 'status', status: 500 });
    const ask = (agoMs: number) => pair.upstream.headManifest(PATH, V1, { validatedAtMs: Date.now() - agoMs });
    expect(await ask(120_000)).toMatchObject({ digest: pair.old });
    await expect(ask(30_000)).rejects.toMatchObject({ code: 'UNAVAILABLE', upstream: 'origin.test' });
    // What it was told 60.9 s ago has the same age: two sites that repeat to each other what they know learn nothing.
    await expect(ask(60_900)).rejects.toMatchObject({ code: 'UNAVAILABLE', upstream: 'origin.test' });
  });
});

describe.concurrent('a list', () => {
  it('is what the upstream says, or the sibling when that fails', async () => {
    await using pair = await startPair({ referrers: true });
    const { near, origin, upstream } = pair;
    const digest = addManifest(pair, 'both');
    near.moveTag(NAME, 'there', digest);
    origin.moveTag(PATH, 'here', digest);
    expect(await upstream.listTags(PATH)).toEqual(['here']);
    expect(near.requests).toEqual([]);
    origin.fault({}, { kind: 'status', status: 500 });
    expect(await upstream.listTags(PATH)).toEqual(['there']);
    const referrers = await upstream.listReferrers(PATH, digest);
    expect(JSON.parse(Buffer.from(referrers ?? []).toString())).toMatchObject({ manifests: [] });
    const asked = near.requests.map(({ headers }) => headers['cache-control']);
    expect(asked).toEqual(['only-if-cached', 'only-if-cached']);
  });

  it('of the upstream counts more than one of the sibling, however old it is', async () => {
    await using pair = await startPair({ referrers: true });
    const { near, origin, upstream } = pair;
    near.moveTag(NAME, 'there', addManifest(pair, 'both'));
    origin.fault({}, { kind: 'status', status: 500 });
    const options = { validatedAtMs: 1 };
    await expect(upstream.listTags(PATH, options)).rejects.toMatchObject({ upstream: 'origin.test' });
    const digest = addManifest(pair, 'both');
    await expect(upstream.listReferrers(PATH, digest, options)).rejects.toMatchObject({ upstream: 'origin.test' });
    expect(near.requests).toEqual([]);
  });
});
