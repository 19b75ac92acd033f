import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/util/secret.ts';
import { type Reaction, type Received, type Receiver, startReceiver } from './support/receiver.ts';
import { idsOf, openStage, RETRIES } from './support/stage.ts';

/** What the receiver sees, the webhook knows a little later. */
const PATIENT = { timeout: 15_000 };

const idsIn = (received: readonly Received[]) => received.flatMap(({ ids }) => ids);

/** Answers each event with these in turn, then with 204. */
function inTurn(...reactions: Reaction[]): Receiver['react'] {
  const left = new Map<string, Reaction[]>();
  return ({ ids: [id = ''] }) => {
    const rest = left.get(id) ?? [...reactions];
    left.set(id, rest.slice(1));
    return rest[0] ?? 204;
  };
}

describe('a webhook', () => {
  test('is told what happens from its first start on, each event once', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    await stage.happen('local/before');
    const outlet = await stage.open({ webhooks: [{ url: receiver.url }] });
    const happened = await stage.happen('local/a', 'local/b', 'local/a');
    await expect.poll(() => outlet.status(), PATIENT).toMatchObject([{ pendingEvents: 0 }]);
    await stage.restart();
    await stage.open({ webhooks: [{ url: receiver.url }] });
    happened.push(...(await stage.happen('local/c')));
    await receiver.until(() => receiver.accepted.length === 4);
    expect(idsIn(receiver.received).sort()).toEqual(idsOf(happened));
  });

  test('is told of the kinds and repositories that it asked for', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    await stage.open({
      webhooks: [{ url: receiver.url, events: ['tag', 'untag'], repositories: ['local/team/**', 'docker.io/*/app'] }],
    });
    await stage.push('local/app', ['v1']);
    await stage.happen('local/team/app');
    await stage.push('local/team/app', ['v2']);
    await stage.push('docker.io/library/app', ['v3']);
    await stage.push('docker.io/library/other', ['v4']);
    await stage.index.deleteTag('local/team/app', 'v2', { actor: 'bob' });
    await receiver.until(() => receiver.accepted.length === 3);
    const told = receiver.accepted.map(({ body }) => JSON.parse(body) as { type: string; subject: string });
    expect(told.map(({ type, subject }) => `${type} ${subject}`).sort()).toEqual([
      'dev.entrepot.tag docker.io/library/app:v3',
      'dev.entrepot.tag local/team/app:v2',
      'dev.entrepot.untag local/team/app:v2',
    ]);
  });

  test('that speaks as distribution does is told of a push by tag in one event', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    await stage.open({ webhooks: [{ url: receiver.url, format: 'distribution', events: ['push', 'tag'] }] });
    const digest = await stage.push('local/app', ['v1']);
    await stage.push('local/app', []);
    await receiver.until(() => receiver.accepted.length === 2);
    const [byTag, byDigest] = receiver.accepted.map(({ body }) => (JSON.parse(body) as { events: object[] }).events);
    expect(byTag).toMatchObject([{ action: 'push', target: { repository: 'local/app', digest, tag: 'v1' } }]);
    expect(byDigest).toMatchObject([{ action: 'push', target: { repository: 'local/app' } }]);
    expect(byDigest?.[0]).not.toHaveProperty('target.tag');
    expect(receiver.accepted[0]?.headers['content-type']).toBe('application/vnd.docker.distribution.events.v2+json');
  });

  test('shows who it is by its token and its signature', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    await stage.open({
      webhooks: [{ url: receiver.url, token: new Secret('the token'), secret: new Secret('the secret') }],
    });
    await stage.happen('local/a');
    await receiver.until(() => receiver.accepted.length === 1);
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
    expect(headers).toMatchObject({
      authorization: 'Bearer the token',
      'content-type': 'application/cloudevents+json',
      'x-entrepot-signature-256': `sha256=${createHmac('sha256', 'the secret').update(body).digest('hex')}`,
    });
  });

  test.each<[string, Reaction[]]>([
    ['fails with 500, 502 and 503', [500, 502, 503]],
    ['says 408, 425 and 429', [408, 425, 429]],
    ['breaks the connection', ['reset', 'reset']],
    ['does not answer', ['hang']],
    ['refuses fewer times than is too often', [400, 404]],
    ['redirects, to which nothing is sent', [{ status: 307, headers: { location: '/elsewhere' } }]],
  ])('tells a receiver again that %s', async (_, reactions) => {
    await using receiver = await startReceiver(inTurn(...reactions));
    await using stage = await openStage();
    const outlet = await stage.open({ webhooks: [{ url: receiver.url, timeoutMs: 300 }] });
    const happened = idsOf(await stage.happen('local/a', 'local/a'));
    await receiver.until(() => receiver.accepted.length === 2);
    expect(idsIn(receiver.accepted)).toEqual(happened);
    expect(receiver.received).toHaveLength(2 * (reactions.length + 1));
    const bodies = new Set(receiver.received.map(({ body }) => body));
    expect(bodies.size).toBe(2);
    const [status] = await outlet.status();
    expect(status).toMatchObject({ name: 'hook0', error: expect.any(String), failedAtMs: expect.any(Number) });
  });

  test('waits for a receiver that is away, and tells it all when it is back', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    const outlet = await stage.open({ webhooks: [{ url: receiver.url }] });
    await receiver.listener.stop();
    const happened = await stage.happen('local/a', 'local/b', 'local/a');
    await expect
      .poll(() => outlet.status(), PATIENT)
      .toMatchObject([{ pendingEvents: 3, error: expect.stringContaining('hook0') }]);
    await receiver.listener.restart();
    await receiver.until(() => receiver.accepted.length === 3);
    expect(idsIn(receiver.accepted).sort()).toEqual(idsOf(happened));
    await expect
      .poll(() => outlet.status(), PATIENT)
      .toMatchObject([{ pendingEvents: 0, deliveredAtMs: expect.any(Number) }]);
  });

  test('gives up what is refused too often, and goes on with the next one', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    const [bad, good] = idsOf([1, 2]);
    receiver.react = ({ ids }) => (ids[0] === bad ? 422 : 204);
    const outlet = await stage.open({ webhooks: [{ url: receiver.url }] });
    await stage.happen('local/a', 'local/a');
    await expect
      .poll(() => outlet.status(), PATIENT)
      .toMatchObject([{ pendingEvents: 0, failedAtMs: expect.any(Number) }]);
    expect(idsIn(receiver.received)).toEqual([bad, bad, bad, good]);
    await stage.restart();
    await stage.open({ webhooks: [{ url: receiver.url }] });
    await stage.happen('local/a');
    await receiver.until(() => receiver.accepted.length === 2);
    expect(idsIn(receiver.received)).toHaveLength(5);
  });

  test('that cannot deliver for one repository keeps its order, and goes on with the others', async () => {
    await using receiver = await startReceiver(({ repository }) => (repository === 'local/bad' ? 500 : 204));
    await using stage = await openStage();
    await stage.open({ webhooks: [{ url: receiver.url }] });
    const [bad, , worse, , worst] = await stage.happen(
      'local/bad',
      'local/good',
      'local/bad',
      'local/good',
      'local/bad',
      // More of those that fail than there are attempts at once.
      ...Array.from({ length: 8 }, (_, number) => `local/bad${number}`),
      'local/good',
    );
    await receiver.until(() => receiver.accepted.filter(({ repository }) => repository === 'local/good').length === 3);
    const tried = idsIn(receiver.received.filter(({ repository }) => repository === 'local/bad'));
    expect(new Set(tried)).toEqual(new Set(idsOf([bad ?? 0])));
    receiver.react = () => 204;
    await receiver.until(() => receiver.accepted.length === 14);
    const accepted = receiver.accepted.filter(({ repository }) => repository === 'local/bad');
    expect(idsIn(accepted)).toEqual(idsOf([bad ?? 0, worse ?? 0, worst ?? 0]));
  });

  test('with more failing repositories than attempts at once goes on with the others', async () => {
    await using receiver = await startReceiver(({ repository }) => (repository === 'local/good' ? 204 : 503));
    await using stage = await openStage();
    await stage.open({ webhooks: [{ url: receiver.url }] });
    await stage.happen(...Array.from({ length: 12 }, (_, number) => `local/bad${number}`), 'local/good', 'local/good');
    await receiver.until(() => receiver.accepted.length === 2);
    expect(receiver.accepted.map(({ repository }) => repository)).toEqual(['local/good', 'local/good']);
  });

  test('makes four attempts at once, and no more', async () => {
    let [running, most] = [0, 0];
    const gate = Promise.withResolvers<void>();
    await using receiver = await startReceiver(async () => {
      most = Math.max(most, (running += 1));
      await gate.promise;
      running -= 1;
      return 204;
    });
    await using stage = await openStage();
    const outlet = await stage.open({ webhooks: [{ url: receiver.url }] });
    await stage.happen(...Array.from({ length: 10 }, (_, number) => `local/${number}`));
    await expect.poll(() => running, PATIENT).toBe(4);
    // A fifth one would be here by then.
    await sleep(100);
    gate.resolve();
    await expect.poll(() => outlet.status(), PATIENT).toMatchObject([{ pendingEvents: 0 }]);
    expect(most).toBe(4);
    expect(receiver.accepted).toHaveLength(10);
  });

  test('leaves a receiver alone for as long as it asks, whatever the repository', async () => {
    let isBusy = true;
    await using receiver = await startReceiver(() => (isBusy ? { status: 429, headers: { 'retry-after': '1' } } : 204));
    await using stage = await openStage();
    const outlet = await stage.open({ webhooks: [{ url: receiver.url }] });
    await stage.happen('local/a');
    await expect.poll(() => outlet.status(), PATIENT).toMatchObject([{ error: expect.stringContaining('429') }]);
    const askedAtMs = receiver.received[0]?.atMs ?? 0;
    isBusy = false;
    await stage.happen('local/a', 'local/b', 'local/c');
    await receiver.until(() => receiver.accepted.length === 4);
    const early = receiver.received.slice(1).filter(({ atMs }) => atMs - askedAtMs < 990);
    expect(early).toEqual([]);
  });

  test('ends at once, whatever it waits for, and goes on after the next start', async () => {
    await using receiver = await startReceiver(({ repository }) => (repository === 'local/hangs' ? 'hang' : 500));
    await using stage = await openStage();
    const slowly = { ...RETRIES, firstDelayMs: 600_000, maxDelayMs: 600_000 };
    await stage.open({ webhooks: [{ url: receiver.url, timeoutMs: 600_000 }], retries: slowly });
    const happened = await stage.happen('local/hangs', 'local/fails', 'local/fails');
    await receiver.until(() => receiver.received.length === 2);
    // Would take ten minutes if it waited for either.
    await stage.restart();
    receiver.react = () => 204;
    await stage.open({ webhooks: [{ url: receiver.url }] });
    await receiver.until(() => receiver.accepted.length === 3);
    expect(idsIn(receiver.accepted).sort()).toEqual(idsOf(happened));
  });

  test('does not hold up another one', async () => {
    await using dead = await startReceiver(() => 'hang');
    await using live = await startReceiver();
    await using stage = await openStage();
    const outlet = await stage.open({
      webhooks: [
        { name: 'dead', url: dead.url },
        { name: 'live', url: live.url },
      ],
    });
    await stage.happen('local/a', 'local/b', 'local/c');
    await live.until(() => live.accepted.length === 3);
    await expect
      .poll(() => outlet.status(), PATIENT)
      .toMatchObject([
        { name: 'dead', pendingEvents: 3, pendingSinceMs: expect.any(Number) },
        { name: 'live', pendingEvents: 0 },
      ]);
  });

  test('that was added later begins with the newest event, while others go on where they were', async () => {
    await using old = await startReceiver(() => 500);
    await using added = await startReceiver();
    await using stage = await openStage();
    await stage.open({ webhooks: [{ name: 'old', url: old.url }] });
    const happened = await stage.happen('local/a', 'local/b');
    await old.until(() => old.received.length >= 2);
    await stage.restart();
    old.react = () => 204;
    await stage.open({
      webhooks: [
        { name: 'added', url: added.url },
        { name: 'old', url: old.url },
      ],
    });
    happened.push(...(await stage.happen('local/c')));
    await old.until(() => old.accepted.length === 3);
    await added.until(() => added.accepted.length === 1);
    expect(idsIn(old.accepted).sort()).toEqual(idsOf(happened));
    expect(idsIn(added.received)).toEqual(idsOf(happened.slice(2)));
  });

  test('that has fallen far behind is told everything in the end, a bounded part at a time', async () => {
    await using receiver = await startReceiver(() => 503);
    await using stage = await openStage();
    const outlet = await stage.open({ webhooks: [{ url: receiver.url }], pageEvents: 8, maxOpenEvents: 16 });
    const repositories = Array.from({ length: 100 }, (_, number) => `local/${number % 5}`);
    const happened = await stage.happen(...repositories);
    await receiver.until(() => receiver.received.length >= 10);
    expect(await outlet.status()).toMatchObject([{ pendingEvents: 100 }]);
    receiver.react = () => 204;
    await receiver.until(() => receiver.accepted.length === 100);
    expect(idsIn(receiver.accepted).sort()).toEqual(idsOf(happened).sort());
  });
});
