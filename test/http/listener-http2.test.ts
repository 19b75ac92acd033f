import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, test } from 'vitest';
import { Listener, type RequestListener } from '../../src/http/listener.ts';
import { sendBytes } from '../../src/http/send-bytes.ts';
import { seededBytes } from '../support/bytes.ts';
import { type Identity, makeIdentity } from '../support/identity.ts';
import { answerOf, dialHttp2 } from './http2-client.ts';

const MIB = 1024 * 1024;
const content = seededBytes(16 * MIB, 'http2');
const reader = {
  read: async (buffer: Uint8Array, position: number) => content.copy(buffer, 0, position, position + buffer.length),
};

let identity: Identity;
beforeAll(async () => {
  identity = await makeIdentity();
});

async function serve(listener: RequestListener) {
  const opened = await Listener.open({ host: '127.0.0.1', port: 0 }, listener, identity);
  return {
    listener: opened,
    dial: () => dialHttp2(opened, identity.cert),
    [Symbol.asyncDispose]: () => opened.drain(0),
  };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A handler whose outcome is waited for: what it throws, or gives. */
function observed<Result>(act: (message: IncomingMessage, response: ServerResponse) => Promise<Result>) {
  const outcome = Promise.withResolvers<Result | Error>();
  const listener: RequestListener = (message, response) =>
    void act(message, response).then(outcome.resolve, outcome.resolve);
  return { listener, outcome: outcome.promise };
}

describe('over HTTP/2 a listener', () => {
  test('gives handlers what they get over HTTP/1.1', async () => {
    const seen: unknown[] = [];
    await using server = await serve((message, response) => {
      const { socket, headers, method, url, complete } = message;
      seen.push([method, url, headers.host, headers['x-other'], complete]);
      seen.push([socket.remoteAddress, typeof socket.remotePort, 'encrypted' in socket && socket.encrypted]);
      seen.push([`${socket.localAddress}:${socket.localPort}`, (socket.timeout ?? 0) > 60_000]);
      socket.setTimeout(0);
      seen.push(socket.timeout);
      response.once('close', () => seen.push(socket.remoteAddress));
      response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 4 });
      response.end('fine');
    });
    await using client = await server.dial();
    const { headers, body } = await client.ask({ ':path': '/v2/?n=1', 'X-Other': 'a' });
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'text/plain', 'content-length': '4' });
    expect(headers.date).toBeDefined();
    expect(body.toString()).toBe('fine');
    await expect
      .poll(() => seen, { timeout: 15_000 })
      .toEqual([
        ['GET', '/v2/?n=1', server.listener.address, 'a', true],
        ['127.0.0.1', 'number', true],
        [server.listener.address, true],
        0,
        '127.0.0.1',
      ]);
  });

  test('takes the name that a request is for from :authority before Host', async () => {
    await using server = await serve((message, response) => void response.end(message.headers.host));
    await using client = await server.dial();
    const named = await client.ask({ ':authority': 'a.example', host: 'b.example' });
    expect(named.body.toString()).toBe('a.example');
  });

  test('leaves out headers that HTTP/2 forbids', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, {
        Connection: 'close',
        'Keep-Alive': 'timeout=5',
        'Transfer-Encoding': 'chunked',
        A: 'b',
      });
      response.end('fine');
    });
    await using client = await server.dial();
    const { headers, body } = await client.ask({});
    expect(headers).toMatchObject({ ':status': 200, a: 'b' });
    for (const name of ['connection', 'keep-alive', 'transfer-encoding']) expect(headers).not.toHaveProperty(name);
    expect(body.toString()).toBe('fine');
  });

  test('answers HEAD without a body', async () => {
    await using server = await serve((message, response) => {
      response.writeHead(200, { 'Content-Length': 5 });
      response.end(message.method === 'HEAD' ? undefined : 'hello');
    });
    await using client = await server.dial();
    const { headers, body } = await client.ask({ ':method': 'HEAD' });
    expect([headers['content-length'], body.length]).toEqual(['5', 0]);
  });

  test('sends a large body byte by byte as it is, to several clients on one connection', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, { 'Content-Length': content.length });
      void sendBytes(reader, { startBytes: 0, endBytes: content.length }, response, () => undefined).then(() =>
        response.end(),
      );
    });
    await using client = await server.dial();
    const answers = await Promise.all(Array.from({ length: 3 }, () => client.ask({})));
    expect(answers.map(({ body }) => hashOf(body))).toEqual(Array.from({ length: 3 }, () => hashOf(content)));
  });

  test('waits for a client that does not read, and holds little for it', async () => {
    let pendingBytes = 0;
    let sentBytes = 0;
    const { listener, outcome } = observed(async (_, response) => {
      response.writeHead(200);
      await sendBytes(reader, { startBytes: 0, endBytes: content.length }, response, (bytes) => {
        sentBytes += bytes;
        pendingBytes = Math.max(pendingBytes, response.writableLength);
      });
      response.end();
      return 'sent';
    });
    await using server = await serve(listener);
    await using client = await server.dial();
    const stream = client.start({});
    await once(stream, 'response');
    await sleep(300);
    expect(sentBytes).toBeLessThan(2 * MIB);
    const { body } = await answerOf(stream);
    expect(await outcome).toBe('sent');
    expect(hashOf(body)).toBe(hashOf(content));
    expect(pendingBytes).toBeLessThanOrEqual(2 * MIB);
  });

  test('takes large bodies byte by byte as they are, several on one connection', async () => {
    await using server = await serve(
      observed(async (message, response) => {
        const hash = createHash('sha256');
        for await (const chunk of message) hash.update(chunk as Buffer);
        response.end(hash.digest('hex'));
      }).listener,
    );
    await using client = await server.dial();
    const answers = await Promise.all(Array.from({ length: 3 }, () => client.ask({ ':method': 'PUT' }, content)));
    expect(answers.map(({ body }) => body.toString())).toEqual(Array.from({ length: 3 }, () => hashOf(content)));
  });

  test('takes no more of a body than a few megabytes before it is read', async () => {
    const read = Promise.withResolvers<void>();
    await using server = await serve(
      observed(async (message, response) => {
        await read.promise;
        let bytes = 0;
        for await (const chunk of message) bytes += (chunk as Buffer).length;
        response.end(String(bytes));
      }).listener,
    );
    await using client = await server.dial();
    const stream = client.start({ ':method': 'PUT' });
    const answer = answerOf(stream);
    let takenBytes = 0;
    for (let position = 0; position < content.length; position += MIB) {
      stream.write(content.subarray(position, position + MIB), () => (takenBytes += MIB));
    }
    stream.end();
    await sleep(300);
    expect(takenBytes).toBeLessThan(8 * MIB);
    read.resolve();
    expect((await answer).body.toString()).toBe(String(content.length));
  });

  test('says 100 to who waits for it', async () => {
    await using server = await serve(
      observed(async (message, response) => {
        response.end(`${(await Readable.from(message).toArray()).length > 0}`);
      }).listener,
    );
    await using client = await server.dial();
    const stream = client.start({ ':method': 'PUT', expect: '100-continue' });
    const answer = answerOf(stream);
    await once(stream, 'continue');
    stream.end('body');
    expect((await answer).body.toString()).toBe('true');
  });
});

describe('over HTTP/2 an answer that is broken off', () => {
  const breakers: [string, (response: ServerResponse) => void][] = [
    ['at once', (response) => response.destroy()],
    ['a little later', (response) => void setTimeout(() => response.destroy(), 20)],
    ['with an error', (response) => response.destroy(new Error('the disk is gone'))],
  ];

  test.each(breakers)(
    '%s is known to be incomplete, with and without a length, and breaks no other',
    async (_, act) => {
      await using server = await serve((message, response) => {
        if (message.url === '/whole') {
          response.end('whole');
          return;
        }
        response.writeHead(200, message.url === '/length' ? { 'Content-Length': 2 * MIB } : {});
        response.write(content.subarray(0, MIB));
        act(response);
      });
      await using client = await server.dial();
      for (const path of ['/length', '/no-length', '/length']) {
        const { code } = await client.ask({ ':path': path });
        expect(code).toBe(constants.NGHTTP2_INTERNAL_ERROR);
      }
      expect((await client.ask({ ':path': '/whole' })).body.toString()).toBe('whole');
    },
  );

  test('ends the writes that wait, and those that come later', async () => {
    const { listener, outcome } = observed(async (_, response) => {
      response.writeHead(200);
      const waiting = sendBytes(reader, { startBytes: 0, endBytes: content.length }, response, () => undefined);
      waiting.catch(() => undefined);
      setTimeout(() => response.destroy(), 50);
      const failures = await Promise.allSettled([waiting]);
      const late = await sendBytes(reader, { startBytes: 0, endBytes: 10 }, response, () => undefined).catch(
        (error: unknown) => error,
      );
      return [...failures.map((failure) => failure.status === 'rejected' && failure.reason), late, response.destroyed];
    });
    await using server = await serve(listener);
    await using client = await server.dial();
    client.start({}).pause();
    const gone = expect.objectContaining({ code: 'CLIENT_GONE' }) as unknown;
    expect(await outcome).toEqual([gone, gone, true]);
  });

  test('after its end is whole all the same', async () => {
    await using server = await serve((_, response) => {
      response.end(content);
      response.destroy();
    });
    await using client = await server.dial();
    const { code, body } = await client.ask({});
    expect([code, body.length]).toEqual([0, content.length]);
  });
});

describe('over HTTP/2 a client that goes', () => {
  test.each(['the stream', 'the connection'])(
    'by resetting %s ends what is sent to it, and is known for it',
    async (what) => {
      const { listener, outcome } = observed(async (_, response) => {
        let isFinished = false;
        const closed = once(response, 'close');
        response.once('finish', () => (isFinished = true));
        response.writeHead(200);
        const stream = Readable.from(Array.from({ length: 100 }, () => content.subarray(0, MIB)));
        const failure = await pipeline(stream, response).catch((error: NodeJS.ErrnoException) => error.code);
        await closed;
        return [failure, isFinished, response.writableFinished, response.destroyed];
      });
      await using server = await serve(listener);
      await using client = await server.dial();
      const stream = client.start({});
      await once(stream, 'data');
      if (what === 'the stream') stream.close(constants.NGHTTP2_CANCEL);
      else client.session.destroy();
      expect(await outcome).toEqual(['ERR_STREAM_PREMATURE_CLOSE', false, false, true]);
    },
  );

  test.each(['the stream', 'the stream without an error', 'the connection'])(
    'by resetting %s in the middle of its body has not sent all of it',
    async (what) => {
      const begun = Promise.withResolvers<void>();
      const { listener, outcome } = observed(async (message) => {
        let bytes = 0;
        for await (const chunk of message) {
          bytes += (chunk as Buffer).length;
          begun.resolve();
        }
        return bytes;
      });
      await using server = await serve(listener);
      await using client = await server.dial();
      const stream = client.start({ ':method': 'PUT' });
      stream.write(content.subarray(0, MIB));
      await begun.promise;
      if (what === 'the connection') client.session.destroy();
      else stream.close(what === 'the stream' ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_NO_ERROR);
      expect(await outcome).toMatchObject({ code: 'ECONNRESET' });
    },
  );

  test('before its body is read fails who reads it then', async () => {
    const read = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<ServerResponse>();
    const { listener, outcome } = observed(async (message, response) => {
      arrived.resolve(response);
      await read.promise;
      return [message.complete, (await message.toArray()).length];
    });
    await using server = await serve(listener);
    await using client = await server.dial();
    const stream = client.start({ ':method': 'PUT' });
    stream.write('begin');
    const closed = once(await arrived.promise, 'close');
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
    read.resolve();
    expect(await outcome).toMatchObject({ code: 'ECONNRESET' });
  });
});

test.each(['', 'who are you?', content])('an answer that comes before the body does stops the upload', async (text) => {
  await using server = await serve((_, response) => {
    response.writeHead(401);
    response.end(text);
  });
  await using client = await server.dial();
  const stream = client.start({ ':method': 'PUT' });
  const answer = answerOf(stream);
  stream.write(content);
  const { headers, body, code } = await answer;
  expect([headers[':status'], body.length, code]).toEqual([401, Buffer.byteLength(text), constants.NGHTTP2_NO_ERROR]);
  expect((await client.ask({})).headers[':status']).toBe(401);
});

describe('over HTTP/2 a listener bounds', () => {
  test('the streams of a connection', async () => {
    let open = 0;
    let most = 0;
    const more = Promise.withResolvers<void>();
    await using server = await serve((_, response) => {
      open += 1;
      most = Math.max(most, open);
      void more.promise.then(() => response.end('fine'));
      response.once('close', () => (open -= 1));
    });
    await using client = await server.dial();
    await expect.poll(() => client.session.remoteSettings.maxConcurrentStreams, { timeout: 15_000 }).toBe(100);
    const answers = Promise.all(Array.from({ length: 150 }, () => client.ask({})));
    await expect.poll(() => open, { timeout: 15_000 }).toBe(100);
    await sleep(50);
    more.resolve();
    expect((await answers).every(({ body }) => body.toString() === 'fine')).toBe(true);
    expect(most).toBe(100);
  });

  test('headers', async () => {
    let requests = 0;
    await using server = await serve((_, response) => {
      requests += 1;
      response.end('fine');
    });
    await using client = await server.dial();
    expect((await client.ask({ a: 'x'.repeat(16_000) })).body.toString()).toBe('fine');
    await expect.poll(() => client.session.remoteSettings.maxHeaderListSize, { timeout: 15_000 }).toBe(32 * 1024);
    expect((await client.ask({ a: 'x'.repeat(40_000) })).body.length).toBe(0);
    expect(requests).toBe(1);
    await using other = await server.dial();
    expect((await other.ask({})).body.toString()).toBe('fine');
  });

  test('streams that are opened only to be reset', async () => {
    let requests = 0;
    await using server = await serve(() => void (requests += 1));
    await using client = await server.dial();
    const left = new Promise((resolve) => {
      client.session.once('goaway', resolve);
    });
    while (!client.session.destroyed && !client.session.closed) {
      const streams = Array.from({ length: 50 }, () => client.start({}));
      await sleep(1);
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
      await sleep(1);
    }
    expect(await left).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    // What nghttp2 lets through at once, and some that came while we counted.
    expect(requests).toBeLessThan(5000);
    const before = requests;
    await using other = await server.dial();
    other.start({});
    await expect.poll(() => requests, { timeout: 15_000 }).toBe(before + 1);
  });

  test.each([
    ['settings', 4, 0],
    ['pings', 6, 8],
  ])('%s that it would have to answer without end', async (_, type, length) => {
    await using server = await serve(() => undefined);
    const [host, port] = server.listener.address.split(':');
    const socket = connectTls({ host, port: Number(port), ca: identity.cert, ALPNProtocols: ['h2'] });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    const frame = Buffer.alloc(9 + length);
    frame.set([0, 0, length, type]);
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => frame));
    // The preface of RFC 9113 section 3.4; nothing of the answers is ever read.
    socket.pause().write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    for (let count = 0; !socket.closed && count < 500; count += 1) {
      socket.write(flood);
      await sleep(1);
    }
    socket.resume();
    await expect.poll(() => socket.closed, { timeout: 15_000 }).toBe(true);
    await using other = await server.dial();
    expect(other.session.destroyed).toBe(false);
  });

  test('what waits to be sent no tighter than its streams', async () => {
    const whole = seededBytes(MIB, 'waiting');
    let waiting = 0;
    await using server = await serve((message, response) => {
      if (message.url === '/') response.end(whole);
      else response.end('fine');
      waiting += 1;
    });
    await using client = await server.dial();
    const streams = Array.from({ length: 40 }, () => client.start({}));
    await expect.poll(() => waiting, { timeout: 15_000 }).toBe(streams.length);
    expect((await client.ask({ ':path': '/other' })).body.toString()).toBe('fine');
    const answers = await Promise.all(streams.map((stream) => answerOf(stream)));
    expect(new Set(answers.map(({ body }) => hashOf(body)))).toEqual(new Set([hashOf(whole)]));
  });
});

describe('draining a listener over HTTP/2', () => {
  test('lets running answers end, refuses new ones, and then closes the connection', async () => {
    const more = Promise.withResolvers<void>();
    await using server = await serve((_, response) => {
      response.write('begin ');
      void more.promise.then(() => response.end('end'));
    });
    await using client = await server.dial();
    const stream = client.start({});
    const answer = answerOf(stream);
    await once(stream, 'response');
    let isDrained = false;
    const drained = server.listener.drain(30_000).then(() => (isDrained = true));
    await once(client.session, 'goaway');
    await sleep(50);
    expect(isDrained).toBe(false);
    const closed = once(client.session, 'close');
    more.resolve();
    expect((await answer).body.toString()).toBe('begin end');
    await Promise.all([closed, drained]);
  });

  test('closes connections that are idle at once', async () => {
    await using server = await serve((_, response) => void response.end('fine'));
    await using idle = await server.dial();
    await using used = await server.dial();
    await used.ask({});
    const closed = Promise.all([idle, used].map(({ session }) => once(session, 'close')));
    await server.listener.drain(30_000);
    expect(await closed).toHaveLength(2);
  });

  test('cuts off what is not done when its time is up', async () => {
    await using server = await serve((_, response) => void response.write('begin'));
    await using client = await server.dial();
    const stream = client.start({});
    await once(stream, 'data');
    const ended = answerOf(stream);
    const startedAt = performance.now();
    await server.listener.drain(150);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(145);
    expect((await ended).code).toBe(constants.NGHTTP2_CANCEL);
  });
});
