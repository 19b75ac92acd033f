import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import type { RedirectOptions } from '../support/origin-options.ts';
import type { Fault } from '../support/origin-faults.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { setStage } from './support/stage.ts';
import { stagePool } from './support/stage-pool.ts';

const stages = stagePool();
const signed = stagePool({ from: { redirectBlobs: { to: 'other', signed: { lifetimeMs: 5000 } } } });

const SIZE = 300_000;

function redirect(location?: string): Fault {
  return { kind: 'status', status: 307, ...(location !== undefined && { headers: { Location: location } }) };
}

describe.concurrent('a blob behind a redirect', () => {
  test.each([
    { name: 'to the registry itself, relative', redirectBlobs: { to: 'self', relative: true } },
    { name: 'by 301', redirectBlobs: { to: 'other', status: 301 } },
    { name: 'by 302', redirectBlobs: { to: 'other', status: 302 } },
    { name: 'by 303', redirectBlobs: { to: 'other', status: 303 } },
    { name: 'by 307, signed', redirectBlobs: { to: 'other', signed: { lifetimeMs: 5000 } } },
    { name: 'by 308, HEAD too', redirectBlobs: { to: 'other', status: 308, head: true } },
    { name: 'signed, HEAD too', redirectBlobs: { to: 'other', signed: { lifetimeMs: 5000 }, head: true } },
  ] satisfies { name: string; redirectBlobs: RedirectOptions }[])(
    '$name is pulled, and no token goes to another port',
    async ({ redirectBlobs }) => {
      const auth = { type: 'bearer' as const, anonymous: true };
      await using stage = await setStage({ from: { auth, redirectBlobs } });
      const { origin, mirror } = stage;
      const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
      const head = await ask(mirror, `${stage.path}/blobs/${blob}`, { method: 'HEAD' });
      expect(head.status).toBe(200);
      expect(head.headers['content-length']).toBe(String(SIZE));
      expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
      expect(origin.cdnRequests.length).toBeGreaterThan(0);
      if (redirectBlobs.to === 'self') return;
      for (const { headers } of origin.cdnRequests) {
        expect(headers.authorization).toBeUndefined();
        expect(headers.cookie).toBeUndefined();
      }
    },
  );

  test('that was signed for too short a time comes by a new one', async () => {
    const redirectBlobs = { to: 'other', signed: { lifetimeMs: 200 } } as const;
    await using stage = await setStage({ from: { redirectBlobs } });
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/storage/' }, { kind: 'stall', afterBytes: 200_000 }, { times: 1 });

    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
    expect(origin.requestCount({ method: 'GET', path: '/blobs/' })).toBeGreaterThan(1);
  });

  test('that is refused with 403 once comes by a new one', async () => {
    await using stage = await setStage({ from: { redirectBlobs: { to: 'other' } } });
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/storage/' }, { kind: 'status', status: 403, body: '<Error/>' }, { times: 1 });
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });

  test.each([
    { name: '403 for ever', fault: { kind: 'status', status: 403, body: '<Error>' } },
    { name: '400', fault: { kind: 'status', status: 400, body: '<Error>' } },
    { name: '401', fault: { kind: 'status', status: 401, headers: { 'WWW-Authenticate': 'Basic realm="cdn"' } } },
    { name: '500', fault: { kind: 'status', status: 500 } },
    { name: '503', fault: { kind: 'status', status: 503, headers: { 'Retry-After': '1' } } },
    { name: 'a reset', fault: { kind: 'reset' } },
    { name: 'silence', fault: { kind: 'stall', afterBytes: -1 } },
    { name: 'HTML', fault: { kind: 'html' } },
  ] satisfies { name: string; fault: Fault }[])(
    'whose storage answers $name is a gateway error, and comes afterwards',
    async ({ fault }) => {
      await using stage = await signed.take();
      const { origin, mirror } = stage;
      const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed, layers: [SIZE] });
      const [layer = ''] = image.layers;
      await ask(mirror, `${stage.path}/manifests/v1`);
      origin.fault({ path: '/storage/' }, fault);
      expectError(await ask(mirror, `${stage.path}/blobs/${layer}`), GATEWAY_ERRORS);
      expect(origin.cdnRequests.length).toBeLessThan(12);
      origin.clearFaults();
      expectContent(await ask(mirror, `${stage.path}/blobs/${layer}`), layer);
    },
  );
});

describe.concurrent('a redirect', () => {
  test('of a manifest is followed', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    origin.fault({ path: `${stage.path}/manifests/v1` }, redirect(`${stage.path}/manifests/${image.digest}`));
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
  });

  test.each([
    { name: 'in a circle', location: 'manifests/v1' },
    { name: 'without Location', location: undefined },
    { name: 'to a file', location: 'file:///etc/passwd' },
    { name: 'to FTP', location: 'ftp://example.invalid/x' },
    { name: 'to a port that is closed', location: 'http://127.0.0.1:1/x' },
    { name: 'to a host that does not exist', location: 'https://does-not-exist.invalid/x' },
    { name: 'to nothing that is a URL', location: 'http://[' },
  ])('$name is a gateway error for manifests and blobs', async ({ location }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    origin.fault(
      { path: `${stage.path}/` },
      redirect(location === 'manifests/v1' ? `${stage.path}/${location}` : location),
    );
    expectError(await ask(mirror, `${stage.path}/manifests/v1`), GATEWAY_ERRORS);
    expect(origin.requestCount()).toBeLessThanOrEqual(24);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);

    origin.fault(
      { path: `${stage.path}/` },
      redirect(location === 'manifests/v1' ? `${stage.path}/${location}` : location),
    );
    expectError(await ask(mirror, `${stage.path}/blobs/${image.config}`), GATEWAY_ERRORS);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/blobs/${image.config}`), image.config);
  });
});
