import { describe, expect, test } from 'vitest';
import { buildImage } from '../support/images.ts';
import type { OriginOptions } from '../support/origin-options.ts';
import { ask } from './support/ask.ts';
import { expectCached, expectContent, expectError } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const REPOSITORY = '/v2/library/app';
const BAD = { username: 'alice', password: 'wrong' };
const KNOWN = { credentials: { alice: 'right' } };

describe.concurrent('bad stored credentials', () => {
  test.each([
    { name: 'at a token server for GET', auth: { type: 'bearer', ...KNOWN, anonymous: true } },
    { name: 'at a token server for GET and POST', auth: { type: 'bearer', ...KNOWN, anonymous: true, method: 'both' } },
    { name: 'at a token server elsewhere', auth: { type: 'bearer', ...KNOWN, anonymous: true, server: 'other' } },
    {
      name: 'which are good but may not pull this',
      auth: { type: 'bearer', credentials: { alice: 'wrong' }, anonymous: true, allowed: () => false },
    },
    {
      name: 'which are good but are told 403 for this',
      auth: { type: 'bearer', credentials: { alice: 'wrong' }, anonymous: true, allowed: () => false, denied: 403 },
    },
  ] satisfies (OriginOptions & { name: string })[])('$name do not keep a public repository away', async ({ auth }) => {
    await using stage = await setStage({ from: { auth }, upstream: { credentials: BAD } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    for (const blob of [...image.layers, image.config]) {
      expectContent(await ask(mirror, `${REPOSITORY}/blobs/${blob}`), blob);
    }
    expectCached(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
  });

  test('at a registry that knows no challenge do not keep a public repository away', async () => {
    await using stage = await setStage({ upstream: { credentials: BAD } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expect(origin.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });
});

describe.concurrent('a private repository', () => {
  test.each([
    { name: 'whose token lacks the access', auth: { type: 'bearer', ...KNOWN } },
    { name: 'whose token server says 401', auth: { type: 'bearer', ...KNOWN, denied: 401 } },
    { name: 'whose token server says 403', auth: { type: 'bearer', ...KNOWN, denied: 403 } },
    { name: 'behind Basic', auth: { type: 'basic', ...KNOWN } },
  ] satisfies (OriginOptions & { name: string })[])(
    '$name is denied without asking the client for credentials',
    async ({ auth }) => {
      await using stage = await setStage({ from: { auth } });
      const { origin, mirror } = stage;
      const image = buildImage(origin, 'library/app', 'v1');
      const denied = [401, 403, 404];
      expectError(await ask(mirror, `${REPOSITORY}/manifests/v1`), denied, ['DENIED', 'UNAUTHORIZED', 'NAME_UNKNOWN']);
      expectError(await ask(mirror, `${REPOSITORY}/manifests/${image.digest}`), denied);
      expectError(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), denied);
      expectError(await ask(mirror, `${REPOSITORY}/tags/list`), denied);
    },
  );

  test('is an error of the right kind if the stored credentials are bad', async () => {
    await using stage = await setStage({
      from: { auth: { type: 'bearer', ...KNOWN } },
      upstream: { credentials: BAD },
    });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    // Denied, or what is wrong with this site's configuration: both let a client go on.
    expectError(await ask(mirror, `${REPOSITORY}/manifests/v1`), [401, 403, 502]);
    expectError(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), [401, 403, 502]);
  });

  test('is pulled with the right password by Basic, which goes nowhere else', async () => {
    await using stage = await setStage({
      from: { auth: { type: 'basic', ...KNOWN }, redirectBlobs: { to: 'other', signed: { lifetimeMs: 5000 } } },
      upstream: { credentials: { username: 'alice', password: 'right' } },
    });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    expect(origin.cdnRequests.length).toBeGreaterThan(0);
    expect(origin.cdnRequests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  test('stays served after its credentials were revoked', async () => {
    const auth = { type: 'bearer' as const, credentials: { alice: 'right' } };
    await using stage = await setStage({
      from: { auth },
      upstream: { credentials: { username: 'alice', password: 'right' } },
    });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    expectContent(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectContent(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
    auth.credentials.alice = 'changed';
    origin.expireTokens();

    expectCached(await ask(mirror, `${REPOSITORY}/manifests/v1`), image.digest);
    expectCached(await ask(mirror, `${REPOSITORY}/blobs/${image.config}`), image.config);
  });

  test('never sees the credentials that a client sends to the mirror', async () => {
    await using stage = await setStage({ from: { auth: { type: 'bearer', anonymous: true } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const headers = { Authorization: `Basic ${btoa('bob:secret')}`, Cookie: 'session=1' };
    const answer = await ask(mirror, `${REPOSITORY}/manifests/v1`, { headers });
    if (answer.status === 200) expectContent(answer, image.digest);
    for (const request of [...origin.requests, ...origin.tokenRequests]) {
      expect(request.headers.authorization ?? '').not.toContain(btoa('bob:secret'));
      expect(request.headers.cookie).toBeUndefined();
    }
  });
});
