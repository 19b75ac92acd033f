import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import type { BearerAuthOptions } from '../support/origin-options.ts';
import { ask } from './support/ask.ts';
import { expectCached, expectContent, expectError, GATEWAY_ERRORS } from './support/expectations.ts';
import { ANSWER_FAULTS, type NamedFault } from './support/named-faults.ts';
import { setStage } from './support/stage.ts';
import { stagePool } from './support/stage-pool.ts';

const ANYONE = { type: 'bearer', anonymous: true } as const;
const stages = stagePool({ from: { auth: ANYONE } });
const ALICE = { username: 'alice', password: 'right' };

function json(body: string): NamedFault['fault'] {
  return { kind: 'status', status: 200, headers: { 'Content-Type': 'application/json' }, body };
}

const TOKEN_FAULTS: readonly NamedFault[] = [
  ...ANSWER_FAULTS,
  { name: 'a sign-in page', fault: { kind: 'html' } },
  { name: 'half an answer', fault: { kind: 'truncate', afterBytes: 10 } },
  { name: 'silence in the middle', fault: { kind: 'stall', afterBytes: 10 } },
  { name: 'no token', fault: json('{}') },
  { name: 'a token that is no text', fault: json('{"token": 7}') },
  { name: 'a token with a line break', fault: json(String.raw`{"token": "a\r\nX-Evil: 1"}`) },
  { name: 'something else than JSON', fault: json('{') },
  { name: 'a body without end', fault: json(`{"token": "${'x'.repeat(8 << 20)}"}`) },
];

describe.concurrent('a token server', () => {
  test.each(TOKEN_FAULTS)('that answers with $name: an error without cache, the content with it', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    origin.fault({ path: '/token' }, fault);
    expectError(await ask(mirror, `${stage.path}/manifests/v1`), GATEWAY_ERRORS);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);

    origin.expireTokens();
    origin.fault({ path: '/token' }, fault);
    expectCached(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
    expectError(await ask(mirror, `${stage.path}/blobs/${image.config}`), GATEWAY_ERRORS);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/blobs/${image.config}`), image.config);
  });

  test('that is slow is waited for, and asked once by however many clients', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed, layers: [1000, 2000, 3000] });
    origin.fault({ path: '/token' }, { kind: 'delay', ms: 400 });

    const paths = [...image.layers, image.config].map((digest) => `blobs/${digest}`);
    const answers = await Promise.all([...paths, ...paths].map(async (path) => ask(mirror, `${stage.path}/${path}`)));
    for (const answer of answers) expect(answer.status).toBe(200);
    expect(origin.tokenRequests.length).toBe(1);
  });

  test.each([
    { name: 'only by POST', auth: { method: 'post', credentials: { alice: 'right' }, anonymous: false } },
    { name: 'only by GET', auth: { method: 'get', credentials: { alice: 'right' }, anonymous: false } },
    { name: 'on a port of its own', auth: { server: 'other', credentials: { alice: 'right' }, anonymous: false } },
    { name: 'as access_token, for two seconds', auth: { tokenField: 'access_token', expiresIn: 2 } },
    { name: 'without telling their life', auth: { tellExpiresIn: false } },
    { name: 'of a service without name', auth: { service: null } },
    { name: 'and challenges only at /v2/', auth: { challengeEverywhere: false } },
  ] satisfies { name: string; auth: Omit<BearerAuthOptions, 'type'> }[])(
    'that gives tokens $name',
    async ({ auth }) => {
      await using stage = await setStage({
        from: { auth: { type: 'bearer', ...auth } },
        upstream: 'credentials' in auth ? { credentials: ALICE } : {},
      });
      const { origin, mirror } = stage;
      const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
      expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
      expectContent(await ask(mirror, `${stage.path}/blobs/${image.config}`), image.config);
    },
  );
});

describe.concurrent('a token that was good', () => {
  const refusals = [
    { name: 'with 401', invalidToken: undefined },
    { name: 'with 400, as ECR Public does', invalidToken: { status: 400, body: 'invalid token' } },
    {
      name: 'with 403, as ECR does',
      invalidToken: {
        status: 403,
        body: 'Your Authorization Token has expired. Please run aws ecr get-login-password',
      },
    },
  ];
  test.each(refusals)('and is refused $name is replaced, once for all waiting clients', async ({ invalidToken }) => {
    await using stage = await setStage({ from: { auth: { ...ANYONE, ...(invalidToken && { invalidToken }) } } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed, layers: [1000, 2000, 3000] });
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
    origin.expireTokens();
    origin.resetCounts();

    const blobs = [...image.layers, image.config];
    const answers = await Promise.all(blobs.map(async (blob) => ask(mirror, `${stage.path}/blobs/${blob}`)));
    for (const [index, answer] of answers.entries()) expectContent(answer, blobs[index] ?? '');
    expect(origin.tokenRequests.length).toBe(1);
  });

  test('and expires in the middle of a blob is replaced for the rest of it', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(300_000, stage.seed));
    origin.fault({ path: '/blobs/' }, { kind: 'stall', afterBytes: 150_000 }, { times: 1 });
    const answer = ask(mirror, `${stage.path}/blobs/${blob}`);
    await origin.waitForRequests({ path: '/blobs/' });
    origin.expireTokens();

    expectContent(await answer, blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(300_000 * 1.02);
  });

  test('and is refused for ever ends in an error, with few requests, and cached content is served', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed });
    expectContent(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
    origin.resetCounts();
    origin.fault({}, { kind: 'status', status: 401 });

    expectCached(await ask(mirror, `${stage.path}/manifests/v1`), image.digest);
    expectError(await ask(mirror, `${stage.path}/blobs/${image.config}`), [401, 403, 502]);
    expect(origin.requests.length + origin.tokenRequests.length).toBeLessThan(20);
  });
});
