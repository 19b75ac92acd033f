import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { WebhookClient, type WebhookClientOptions } from '../../src/upstream/webhook-client.ts';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';
import { Secret } from '../../src/util/secret.ts';
import { Listener } from '../support/listener.ts';
import { scriptedServer } from './scripted-server.ts';

const message = { contentType: 'application/json', body: '{"a":"ä"}' };

function client(url: string, options: Partial<WebhookClientOptions> = {}): WebhookClient {
  return new WebhookClient({
    name: 'ci',
    url: new URL(url),
    timeoutMs: 10_000,
    userAgent: 'entrepot-test/1.0',
    ...options,
  });
}

async function failureOf(attempt: Promise<unknown>): Promise<UpstreamError> {
  const failure: unknown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof UpstreamError)) throw new Error(`no UpstreamError, but ${inspect(failure)}`);
  return failure;
}

describe('the client of a webhook', () => {
  test('posts the body as it is, to the whole URL', async () => {
    await using server = await scriptedServer(() => ({ status: 202 }));
    await using webhook = client(`${server.url}/events?for=ci`);
    expect(await webhook.post(message)).toEqual({ status: 202, retryAfterMs: undefined });
    expect(server.seen).toMatchObject([
      {
        method: 'POST',
        url: '/events?for=ci',
        body: message.body,
        headers: { 'content-type': 'application/json', 'user-agent': 'entrepot-test/1.0', 'content-length': '10' },
      },
    ]);
    expect(server.seen[0]?.headers).not.toHaveProperty('authorization');
    expect(server.seen[0]?.headers).not.toHaveProperty('x-entrepot-signature-256');
  });

  test('sends its token, and signs the bytes of the body', async () => {
    await using server = await scriptedServer(() => ({ status: 200 }));
    await using webhook = client(server.url, { token: new Secret('t0ken'), secret: new Secret('s3cret') });
    await webhook.post(message);
    const signature = createHmac('sha256', 's3cret').update(Buffer.from(message.body)).digest('hex');
    expect(server.seen[0]?.headers).toMatchObject({
      authorization: 'Bearer t0ken',
      'x-entrepot-signature-256': `sha256=${signature}`,
    });
  });

  test('follows no redirect: nobody else gets the token', async () => {
    await using other = await scriptedServer();
    await using server = await scriptedServer(() => ({ status: 307, headers: { location: other.url } }));
    await using webhook = client(server.url, { token: new Secret('t0ken') });
    expect(await webhook.post(message)).toMatchObject({ status: 307 });
    expect(other.seen).toEqual([]);
  });

  test.each([
    ['7', 7000],
    ['nonsense', undefined],
  ])('tells how long the receiver wants to be left alone: %s', async (text, retryAfterMs) => {
    await using server = await scriptedServer(() => ({ status: 429, headers: { 'retry-after': text } }));
    await using webhook = client(server.url);
    expect(await webhook.post(message)).toEqual({ status: 429, retryAfterMs });
  });

  test('uses a connection again, whatever short bodies come with the answers', async () => {
    const sockets = new Set<unknown>();
    await using server = await Listener.start((request, response) => {
      sockets.add(request.socket);
      request.resume().on('end', () => response.writeHead(200).end('thank you'));
    });
    await using webhook = client(server.url);
    for (let number = 0; number < 3; number += 1) expect(await webhook.post(message)).toMatchObject({ status: 200 });
    expect(sockets.size).toBeLessThan(3);
  });

  test('drops an answer that does not end, and is not held up by it', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await using server = await Listener.start((request, response) => {
      response.on('close', resolve);
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16 * 1024)));
      };
      response.on('drain', more);
      request.resume().on('end', more);
    });
    await using webhook = client(server.url);
    expect(await webhook.post(message)).toMatchObject({ status: 200 });
    await closed;
  });

  test('drops an answer whose body stands still, when its time is over', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await using server = await Listener.start((request, response) => {
      response.on('close', resolve);
      request.resume().on('end', () => response.writeHead(200).write('and'));
    });
    await using webhook = client(server.url, { timeoutMs: 300 });
    expect(await webhook.post(message)).toMatchObject({ status: 200 });
    await closed;
  });

  test('has a deadline', async () => {
    await using server = await Listener.start(() => undefined);
    await using webhook = client(`${server.url}/hook/with-a-key`, { timeoutMs: 200 });
    const failure = await failureOf(webhook.post(message));
    expect(failure).toMatchObject({ code: 'TIMEOUT', message: `ci: no answer from ${server.host} within 200 ms` });
  });

  test('ends when its caller gives up', async () => {
    const stop = new AbortController();
    await using server = await Listener.start(() => stop.abort());
    await using webhook = client(server.url);
    expect(await failureOf(webhook.post(message, stop.signal))).toMatchObject({ code: 'TIMEOUT' });
    expect(await failureOf(webhook.post(message, AbortSignal.abort()))).toMatchObject({ code: 'TIMEOUT' });
  });

  test('ends what runs when it is disposed of', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    await using server = await Listener.start(() => resolve());
    const webhook = client(server.url);
    const failure = failureOf(webhook.post(message));
    await arrived;
    await webhook[Symbol.asyncDispose]();
    expect(await failure).toMatchObject({ code: 'UNREACHABLE' });
  });

  test.each<[string, string, (listener: Listener) => Promise<void>]>([
    ['refuses connections', 'UNREACHABLE', (listener) => listener.stop()],
    ['breaks them', 'UNREACHABLE', async () => undefined],
  ])('tells in an error that a receiver %s, and no secret', async (_, code, prepare) => {
    await using server = await Listener.start((request) => request.socket.destroy());
    await prepare(server);
    await using webhook = client(`${server.url}/hook/k3y?key=k3y`, {
      token: new Secret('t0ken'),
      secret: new Secret('s3cret'),
    });
    const failure = await failureOf(webhook.post(message));
    expect(failure).toMatchObject({ code });
    expect(failure.message).toContain(server.host);
    const shown = `${failure.message} ${inspect(failure, { depth: 10, showHidden: true })}`;
    for (const secret of ['t0ken', 's3cret', 'k3y']) expect(shown).not.toContain(secret);
  });

  test('takes no endless headers', async () => {
    await using server = await scriptedServer(() => ({
      status: 200,
      headers: { 'x-long': 'x'.repeat(100_000) },
    }));
    await using webhook = client(server.url);
    expect(await failureOf(webhook.post(message))).toMatchObject({ code: 'INVALID' });
  });
});
