import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Listener, type RequestListener } from '../../src/http/listener.ts';
import { seededBytes } from '../support/bytes.ts';

const LOCAL = { host: '127.0.0.1', port: 0 };

function open(listener: RequestListener = (_, response) => void response.end('fine')): Promise<Listener> {
  return Listener.open(LOCAL, listener);
}

/** A connection whose bytes are gathered. */
function dial(listener: Listener) {
  const [host, port] = listener.address.split(':');
  const socket = connect(Number(port), host);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  return { socket, received: () => Buffer.concat(chunks).toString('latin1'), closed: once(socket, 'close') };
}

/** What comes back on a connection until it is closed. */
async function talk(listener: Listener, ...sent: readonly string[]): Promise<string> {
  const { socket, received, closed } = dial(listener);
  for (const text of sent) socket.write(text, 'latin1');
  await closed;
  return received();
}

function expectError(answer: string, status: number): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(head.toLowerCase()).toContain('content-type: application/json');
  expect(head.toLowerCase()).toContain(`content-length: ${body.length}`);
  const { errors } = JSON.parse(body) as { errors: { code: string; message: string }[] };
  expect(errors).toHaveLength(1);
  expect(errors[0]).toEqual({ code: 'UNKNOWN', message: expect.any(String) as string });
}

async function waitForText(received: () => string, text: string): Promise<void> {
  await expect.poll(received, { interval: 5, timeout: 5000 }).toContain(text);
}

describe('a listener refuses, in the words of the distribution-spec,', () => {
  test('headers of more than 32 KiB with 431', async () => {
    await using listener = await open();
    const header = `X-Large: ${'x'.repeat(40_000)}\r\n`;
    expectError(await talk(listener, `GET /v2/ HTTP/1.1\r\nHost: a\r\n${header}\r\n`), 431);
    const path = `/v2/${'x'.repeat(40_000)}`;
    expectError(await talk(listener, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`), 431);
  });

  test.each([
    ['garbage', 'this is no HTTP\r\n\r\n'],
    ['noise', seededBytes(500, 1).toString('latin1')],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a request without Host', 'GET /v2/ HTTP/1.1\r\n\r\n'],
    ['two lengths', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a length and chunks', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a method that is none', 'PULL / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('%s with 400', async (name, text) => {
    await using listener = await open();
    const answer = await talk(listener, text);
    if (name === 'a request without Host') expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    else expectError(answer, 400);
  });

  test('nothing of it into the body of an answer that is under way', async () => {
    const body = 'y'.repeat(1000);
    const more = Promise.withResolvers<void>();
    await using listener = await open((_, response) => {
      response.setHeader('Content-Length', 2 * body.length);
      response.write(body);
      void more.promise.then(() => response.end(body));
    });
    const { socket, received, closed } = dial(listener);
    socket.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n');
    await waitForText(received, body);
    socket.write('this is no HTTP\r\n\r\n');
    await sleep(50);
    more.resolve();
    await closed;
    const content = received().slice(received().indexOf('\r\n\r\n') + 4);
    expect(content.slice(0, 2 * body.length).replaceAll('y', '')).toBe('');
  });

  test('and goes on to serve the others', async () => {
    await using listener = await open();
    await Promise.all(Array.from({ length: 20 }, () => talk(listener, 'garbage\r\n\r\n')));
    const answer = await fetch(`http://${listener.address}/v2/`);
    expect(await answer.text()).toBe('fine');
  });
});

describe('draining a listener', () => {
  const REQUEST = 'GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n';

  test('lets a running answer end, and then closes its connection', async () => {
    const more = Promise.withResolvers<void>();
    const listener = await open((_, response) => {
      response.write('begin ');
      void more.promise.then(() => response.end('end'));
    });
    const url = `http://${listener.address}/`;
    const { socket, received, closed } = dial(listener);
    socket.write(REQUEST);
    await waitForText(received, 'begin');
    let isDrained = false;
    const drained = listener.drain(10_000).then(() => (isDrained = true));
    await sleep(120);
    expect([isDrained, socket.closed]).toEqual([false, false]);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
    const endedAt = performance.now();
    more.resolve();
    await closed;
    await drained;
    expect(performance.now() - endedAt).toBeLessThan(2000);
    expect(received()).toMatch(/begin[^]*end[^]*0\r\n\r\n$/);
  });

  test('closes connections that are kept alive at once', async () => {
    const listener = await open();
    const connections: Socket[] = [];
    for (let number = 0; number < 5; number += 1) {
      const { socket, received } = dial(listener);
      socket.write(REQUEST);
      await waitForText(received, 'fine');
      connections.push(socket);
    }
    const closed = Promise.all(connections.map((socket) => once(socket, 'close')));
    const startedAt = performance.now();
    await listener.drain(10_000);
    await closed;
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  test('closes a connection on which nothing was asked yet', async () => {
    const listener = await open();
    const { socket, closed, received } = dial(listener);
    await once(socket, 'connect');
    // The server has it as soon as it answers on a later one.
    await (await fetch(`http://${listener.address}/`)).text();
    await listener.drain(60_000);
    await closed;
    expect(received()).toBe('');
  });

  test('cuts off what is not done when its time is up', async () => {
    const listener = await open((_, response) => void response.write('begin'));
    const { socket, received, closed } = dial(listener);
    socket.write(REQUEST);
    await waitForText(received, 'begin');
    const startedAt = performance.now();
    await listener.drain(150);
    await closed;
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThanOrEqual(145);
    expect(tookMs).toBeLessThan(1500);
    expect(received()).not.toMatch(/0\r\n\r\n$/);
  });

  test('by disposing cuts off at once, and does nothing a second time', async () => {
    const listener = await open((_, response) => void response.write('begin'));
    const { socket, received, closed } = dial(listener);
    socket.write(REQUEST);
    await waitForText(received, 'begin');
    await listener[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    await closed;
    expect(received()).not.toMatch(/0\r\n\r\n$/);
  });
});

describe('opening a listener', () => {
  test('gives the address that clients use', async () => {
    await using listener = await open();
    expect(listener.address).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('throws when the port is in use', async () => {
    await using listener = await open();
    const port = Number(listener.address.split(':')[1]);
    await expect(Listener.open({ ...LOCAL, port }, () => undefined)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('throws when the address is not of this machine', async () => {
    await expect(Listener.open({ host: '192.0.2.1', port: 0 }, () => undefined)).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
  });
});
