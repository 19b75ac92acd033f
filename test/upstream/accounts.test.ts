import { describe, expect, it } from 'vitest';
import type { UpstreamCredentials } from '../../src/upstream/credentials.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { Secret } from '../../src/util/secret.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { connect, digest, quietTelemetry, ref } from './connect.ts';
import { type ScriptedAnswer, type ScriptedServer, type SeenRequest, scriptedServer } from './scripted-server.ts';

const V1 = ref('v1');
const credentials = [credentialsOf('alice'), credentialsOf('bob')];

describe.concurrent('two accounts of one upstream', () => {
  it('take turns', async () => {
    await using registry = await passwordRegistry({ alice: manifest(), bob: manifest() });
    await using upstream = connect(registry.url, { credentials });
    await pull(upstream, 6);
    expect(usersOf(registry)).toEqual(['alice', 'bob', 'alice', 'bob', 'alice', 'bob']);
    expect(upstream.report().accounts.map(({ username }) => username)).toEqual(['alice', 'bob']);
  });

  it('are used by what is left of their limits', async () => {
    const left = { alice: 40, bob: 43 };
    const answer = (user: keyof typeof left) => () => manifest(`${--left[user]}`);
    await using registry = await passwordRegistry({ alice: answer('alice'), bob: answer('bob') });
    const telemetry = quietTelemetry();
    await using upstream = connect(registry.url, { credentials }, { telemetry });
    await pull(upstream, 8);
    // Both are unknown at first, and equal in the end.
    expect(usersOf(registry)).toEqual(['alice', 'bob', 'bob', 'bob', 'bob', 'alice', 'bob', 'alice']);
    expect(upstream.report().accounts).toEqual([
      { username: 'alice', limit: 100, remaining: 37, blockedForMs: 0 },
      { username: 'bob', limit: 100, remaining: 38, blockedForMs: 0 },
    ]);
    const text = await telemetry.metrics.registry.metrics();
    expect(text).toMatch(/entrepot_upstream_rate_limit\{.*account="alice",which="remaining".*\} 37\n/);
    expect(text).toMatch(/entrepot_upstream_rate_limit\{.*account="bob",which="remaining".*\} 38\n/);
  });

  it('keep their reserves apart', async () => {
    await using registry = await passwordRegistry({ alice: manifest('5'), bob: manifest('50') });
    await using upstream = connect(registry.url, { credentials });
    await pull(upstream, 2);
    await upstream.headManifest('a', V1, { purpose: 'revalidation' });
    await upstream.getManifest('a', V1, { purpose: 'readAhead' });
    expect(usersOf(registry)).toEqual(['alice', 'bob', 'bob', 'bob']);
  });

  it('stand in for each other after a 429, within the same request', async () => {
    let alice = limited('60');
    await using registry = await passwordRegistry({ alice: () => alice, bob: manifest() });
    const clock = { now: 1000 };
    const telemetry = quietTelemetry();
    const moves: object[] = [];
    telemetry.rateLimitMoved = (event) => void moves.push(event);
    await using upstream = connect(registry.url, { credentials }, { telemetry, now: () => clock.now });
    await pull(upstream, 3);
    expect(usersOf(registry)).toEqual(['alice', 'bob', 'bob', 'bob']);
    expect(upstream.report().accounts).toMatchObject([{ blockedForMs: 60_000 }, { blockedForMs: 0 }]);
    alice = manifest();
    clock.now += 60_000;
    await pull(upstream, 2);
    expect(usersOf(registry).slice(4)).toEqual(['alice', 'bob']);
    expect(moves).toEqual([
      { upstream: 'origin.test', account: 'alice', blockedForMs: 60_000, isAnyLeft: true },
      { upstream: 'origin.test', account: 'alice', blockedForMs: 0, isAnyLeft: true },
    ]);
  });

  it('are asked again when the first of them may be, and not before', async () => {
    await using registry = await passwordRegistry({ alice: limited('30'), bob: limited('60') });
    const clock = { now: 1000 };
    await using upstream = connect(registry.url, { credentials }, { now: () => clock.now });
    const limits = { code: 'RATE_LIMITED', retryAfterMs: 30_000 };
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject(limits);
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ ...limits, status: undefined });
    expect(usersOf(registry)).toEqual(['alice', 'bob']);
    clock.now += 30_000;
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ ...limits, status: 429 });
    expect(usersOf(registry)).toEqual(['alice', 'bob', 'alice']);
  });

  it('stand in for each other when a password is wrong, which is sent once a minute', async () => {
    await using registry = await passwordRegistry({ bob: manifest() });
    const clock = { now: 1000 };
    await using upstream = connect(registry.url, { credentials }, { now: () => clock.now });
    await pull(upstream, 4);
    expect(usersOf(registry)).toEqual(['alice', 'bob', 'bob', 'bob', 'bob']);
    clock.now += 61_000;
    await pull(upstream, 2);
    expect(usersOf(registry).slice(5)).toEqual(['alice', 'bob', 'bob']);
  });

  it('are used before anonymous access when one of them is wrong', async () => {
    await using origin = await startOrigin({
      auth: { type: 'bearer', credentials: { bob: 'password of bob' }, anonymous: true },
    });
    for (const name of ['a', 'b', 'c', 'd']) buildImage(origin, name, 'v1');
    await using upstream = connect(origin.url, { credentials });
    for (const name of ['a', 'b', 'c', 'd']) await upstream.getManifest(name, V1);
    const logins = origin.tokenRequests.map(({ headers }) => userOf(headers.authorization));
    expect(logins).toEqual(['alice', undefined, 'bob', 'bob', 'bob']);
  });

  it('are asked last for a minute where they have no right, and not for other repositories', async () => {
    await using origin = await startOrigin({
      auth: {
        type: 'bearer',
        credentials: { alice: 'password of alice', bob: 'password of bob' },
        anonymous: false,
        allowed: (user, repository) => user === 'bob' || repository === 'shared',
      },
    });
    for (const name of ['private', 'shared']) buildImage(origin, name, 'v1');
    const clock = { now: 1000 };
    await using upstream = connect(origin.url, { credentials }, { now: () => clock.now });
    const refusals = async (name: string, times: number) => {
      origin.resetCounts();
      for (let count = 0; count < times; count++) await upstream.getManifest(name, V1);
      return origin.requests.filter(({ status }) => status === 401).length;
    };
    for (const name of ['shared', 'private']) expect(await refusals(name, 2)).toBeGreaterThan(0);
    expect(await refusals('private', 6)).toBe(0);
    expect(await refusals('shared', 6)).toBe(0);
    const users = origin.requests.map(({ headers }) => headers.authorization);
    expect(new Set(users).size).toBe(2);
    clock.now += 61_000;
    expect(await refusals('private', 2)).toBeGreaterThan(0);
  });

  it('stand in for each other where one of them has no right', async () => {
    await using origin = await startOrigin({
      auth: {
        type: 'bearer',
        credentials: { alice: 'password of alice', bob: 'password of bob' },
        allowed: (user, repository) => user === 'bob' || repository === 'public',
      },
    });
    for (const name of ['public', 'secret']) buildImage(origin, name, 'v1');
    await using upstream = connect(origin.url, { credentials });
    for (const name of ['public', 'secret', 'secret', 'secret', 'public']) await upstream.getManifest(name, V1);
    await expect(upstream.getManifest('public', ref('v2'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it.each<[string, Record<string, Answer>, object]>([
    ['both are refused', {}, { code: 'CREDENTIALS_REFUSED' }],
    ['the first is refused and the second limited', { bob: limited('60') }, { code: 'RATE_LIMITED' }],
    ['the first is limited and the second refused', { alice: limited('60') }, { code: 'RATE_LIMITED' }],
  ])('fail with what may pass when %s', async (_, answers, expected) => {
    await using registry = await passwordRegistry(answers);
    await using upstream = connect(registry.url, { credentials });
    const error = await upstream.getManifest('a', V1).catch((caught: unknown) => caught);
    expect(error).toMatchObject(expected);
    expect(usersOf(registry)).toEqual(['alice', 'bob']);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/password|YWxpY2U|Ym9i/);
  });

  it.each([
    [404, 'NOT_FOUND'],
    [500, 'UNAVAILABLE'],
  ])('do not both ask what has nothing to do with accounts: %d', async (status, code) => {
    await using registry = await passwordRegistry({ alice: { status }, bob: manifest() });
    await using upstream = connect(registry.url, { credentials, retries: 0 });
    await expect(upstream.getManifest('a', V1)).rejects.toMatchObject({ code });
    expect(usersOf(registry)).toEqual(['alice']);
  });

  it('do not both go to a storage that says 429', async () => {
    await using storage = await scriptedServer(() => limited('60'));
    const elsewhere = { status: 307, headers: { location: `${storage.url}/blob` } };
    await using registry = await passwordRegistry({ alice: elsewhere, bob: elsewhere });
    await using upstream = connect(registry.url, { credentials });
    const blob = digest(`sha256:${'0'.repeat(64)}`);
    await expect(upstream.getBlob('a', blob, undefined)).rejects.toMatchObject({ code: 'RATE_LIMITED', status: 429 });
    expect([usersOf(registry), upstream.mayAsk('readAhead')]).toEqual([['alice'], true]);
    expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('each have one token for a repository, however many ask', async () => {
    const passwords = { alice: 'password of alice', bob: 'password of bob' };
    await using origin = await startOrigin({ auth: { type: 'bearer', credentials: passwords } });
    buildImage(origin, 'a', 'v1');
    await using upstream = connect(origin.url, { credentials, maxConnections: 20 });
    await Promise.all(Array.from({ length: 20 }, () => upstream.getManifest('a', V1)));
    const logins = origin.tokenRequests.map(({ headers }) => userOf(headers.authorization));
    expect(new Set(logins)).toEqual(new Set(['alice', 'bob']));
    expect(logins).toHaveLength(2);
  });
});

it('an identity token is named without being told', async () => {
  await using origin = await startOrigin();
  const token = new Secret('secret');
  await using upstream = connect(origin.url, { credentials: [{ type: 'identityToken', token }] });
  expect(upstream.report().accounts.map(({ username }) => username)).toEqual(['<token>']);
});

type Answer = ScriptedAnswer | (() => ScriptedAnswer);

/** A registry that wants a password, and answers each user in its own way. */
function passwordRegistry(answers: Readonly<Record<string, Answer>>): Promise<ScriptedServer> {
  return scriptedServer(({ headers }) => {
    const answer = answers[userOf(headers.authorization) ?? ''];
    if (!answer) return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
    return typeof answer === 'function' ? answer() : answer;
  });
}

function credentialsOf(username: string): UpstreamCredentials {
  return { type: 'basic', username, password: new Secret(`password of ${username}`) };
}

function manifest(remaining?: string): ScriptedAnswer {
  const limits: Record<string, string> =
    remaining === undefined ? {} : { 'ratelimit-limit': '100', 'ratelimit-remaining': remaining };
  return {
    headers: { 'content-type': 'application/vnd.oci.image.index.v1+json', ...limits },
    body: '{"schemaVersion":2,"manifests":[]}',
  };
}

function limited(retryAfter: string): ScriptedAnswer {
  return { status: 429, headers: { 'retry-after': retryAfter } };
}

async function pull(upstream: Upstream, times: number): Promise<void> {
  for (let count = 0; count < times; count++) await upstream.getManifest('a', V1);
}

/** Who sent a password, in order. */
function usersOf({ seen }: ScriptedServer): (string | undefined)[] {
  return seen.filter(hasLogin).map(({ headers }) => userOf(headers.authorization));
}

function hasLogin({ headers }: SeenRequest): boolean {
  return headers.authorization !== undefined;
}

function userOf(authorization: string | undefined): string | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(authorization ?? '') ?? [];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString().split(':')[0];
}
