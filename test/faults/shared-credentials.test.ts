import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { type BuiltImage, buildImage } from '../support/images.ts';
import type { Origin } from '../support/origin.ts';
import { ask } from './support/ask.ts';
import { expectContent, expectError } from './support/expectations.ts';
import { metric, upstreamOf } from './support/operator.ts';
import { expectOutcome, pullImage } from './support/built-images.ts';
import { setStage, type Stage, type StageOptions } from './support/stage.ts';

const APP = '/v2/library/app';
const PASSWORDS = { alice: 'correct horse', bob: 'battery staple' };

/** An upstream for which the mirror has two accounts. */
function setSharedStage(passwords: Record<string, string> = PASSWORDS, options: StageOptions = {}): Promise<Stage> {
  const credentials = Object.entries(passwords).map(([username, password]) => ({ username, password }));
  return setStage({
    ...options,
    from: { auth: { type: 'basic', credentials: PASSWORDS } },
    upstream: { credentials, ...options.upstream },
  });
}

/** Who asked, in order. */
function usersOf({ requests }: Origin): string[] {
  return requests.filter(({ status }) => status !== 401).map(({ headers }) => userOf(headers.authorization));
}

function userOf(authorization = ''): string {
  return (
    Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':')[0] ?? ''
  );
}

/** Answers for one manifest, telling each user what is left of a limit of 100, and 429 to those who have nothing. */
function tell(origin: Origin, image: BuiltImage, remaining: Readonly<Record<string, number>>): void {
  const handle = ({ headers, method }: IncomingMessage, response: ServerResponse) => {
    const left = remaining[userOf(headers.authorization)] ?? 0;
    const numbers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': `${left};w=21600` };
    if (left === 0) return void response.writeHead(429, { ...numbers, 'Retry-After': '60' }).end();
    const { digest, bytes } = image;
    const known = { 'Content-Type': image.mediaType, 'Content-Length': bytes.length, 'Docker-Content-Digest': digest };
    response.writeHead(200, { ...numbers, ...known }).end(method === 'HEAD' ? undefined : bytes);
  };
  origin.fault({ path: '/manifests/' }, { kind: 'handler', handle });
}

describe.concurrent('several credentials for one upstream', () => {
  test('share the load, and none of them leaks into what is told', async () => {
    await using stage = await setSharedStage();
    const { origin, mirror } = stage;
    for (let seed = 0; seed < 6; seed++) {
      await pullImage(mirror, APP, `v${seed}`, buildImage(origin, 'library/app', `v${seed}`, { seed }));
    }
    expect(new Set(usersOf(origin))).toEqual(new Set(['alice', 'bob']));
    const report = await upstreamOf(mirror);
    expect(report.accounts.map(({ username }) => username)).toEqual(['alice', 'bob']);
    const all = JSON.stringify(report) + (await (await fetch(`${mirror.adminUrl}/metrics`)).text());
    for (const password of Object.values(PASSWORDS)) expect(all).not.toContain(password);
  });

  test('take over from one that is out of pulls, until all are', async () => {
    await using stage = await setSharedStage();
    const { origin, mirror } = stage;
    const images = ['v1', 'v2', 'v3'].map((tag, seed) => buildImage(origin, 'library/app', tag, { seed }));
    const [first, second] = images as [BuiltImage, BuiltImage];
    const refusal = { kind: 'status', status: 429, headers: { 'Retry-After': '30' } } as const;
    origin.fault({}, refusal, { times: 1 });
    await pullImage(mirror, APP, 'v1', first);
    await pullImage(mirror, APP, 'v2', second);
    const [refused, ...others] = usersOf(origin);
    expect(new Set(others), 'nobody else than the other one asks').toEqual(
      new Set([refused === 'alice' ? 'bob' : 'alice']),
    );
    const blocked = (await upstreamOf(mirror)).accounts.filter(({ blockedForMs }) => blockedForMs > 0);
    expect(blocked.map(({ username }) => username)).toEqual([refused]);
    expect(await metric(mirror, 'entrepot_upstream_blocked', { upstream: 'docker.io' })).toBe(0);

    origin.fault({}, refusal, { times: 1 });
    const answer = await ask(mirror, `${APP}/manifests/v3`);
    expectError(answer, 429, 'TOOMANYREQUESTS');
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(30);
    expect(await metric(mirror, 'entrepot_upstream_blocked', { upstream: 'docker.io' })).toBe(1);
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'stale');
    const asked = origin.requests.length;
    expectError(await ask(mirror, `${APP}/manifests/v3`), 429, 'TOOMANYREQUESTS');
    expect(origin.requests.length).toBe(asked);
  });

  test('keep a reserve each: what need not be is asked by the one that has more', async () => {
    await using stage = await setSharedStage();
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1');
    const remaining = { alice: 5, bob: 80 };
    tell(origin, image, remaining);
    for (const tag of ['v1', 'v2', 'v3', 'v4'])
      expectContent(await ask(mirror, `${APP}/manifests/${tag}`), image.digest);
    const accounts = (await upstreamOf(mirror)).accounts.map(({ username, remaining: left }) => [username, left]);
    expect(Object.fromEntries(accounts)).toEqual(remaining);
    origin.resetCounts();
    for (let times = 0; times < 4; times++) expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
    expect(new Set(usersOf(origin))).toEqual(new Set(['bob']));
    const shown = { which: 'remaining', account: 'bob' };
    expect(await metric(mirror, 'entrepot_upstream_rate_limit', shown)).toBe(80);

    remaining.bob = 5;
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'revalidated');
    origin.resetCounts();
    expectOutcome(await ask(mirror, `${APP}/manifests/v1`), 'stale');
    expect(origin.requests).toEqual([]);
  });

  test('do without one that is refused', async () => {
    await using stage = await setSharedStage({ ...PASSWORDS, bob: 'wrong' });
    const { origin, mirror } = stage;
    for (let seed = 0; seed < 4; seed++) {
      await pullImage(mirror, APP, `v${seed}`, buildImage(origin, 'library/app', `v${seed}`, { seed }));
    }
    expect(new Set(usersOf(origin))).toEqual(new Set(['alice']));
  });
});
