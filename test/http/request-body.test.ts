import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { RequestBody } from '../../src/http/request-body.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';

const MIB = 1024 * 1024;

interface Server extends AsyncDisposable {
  readonly port: number;
}

async function serve(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** Reads it all, each batch held for a while. @returns the digest of what came */
async function digestOfBody(message: IncomingMessage, holdMs: number): Promise<string> {
  using body = new RequestBody(message);
  const hash = createHash('sha256');
  for (let batch = await body.next(); batch; batch = await body.next()) {
    await delay(holdMs);
    for (const chunk of batch) hash.update(chunk);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Sends a request and resolves with the answer's text. */
async function send(port: number, headers: Record<string, string>, chunks: Iterable<Uint8Array>): Promise<string> {
  const outgoing = request({ port, host: '127.0.0.1', method: 'PUT', headers, agent: false });
  Readable.from(chunks, { objectMode: false }).pipe(outgoing);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of response) text += String(piece);
  return text;
}

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let start = 0, turn = 0; start < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? bytes.length;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

describe("a request's body", () => {
  test.each([
    ['in one piece', [Infinity], 0],
    ['in one piece, to a slow reader', [Infinity], 3],
    ['in pieces of any size', [1, 100_000, 17, 65_536, 3, 40_000, 131_072], 1],
  ])('comes as it was sent %s, with and without its length', async (_, sizes, holdMs) => {
    await using server = await serve((message, response) => {
      void digestOfBody(message, holdMs).then((digest) => response.end(digest));
    });
    const bytes = seededBytes(12 * MIB + 345, 'body');
    const length = { 'Content-Length': String(bytes.length) };
    const digest = sha256(bytes);
    expect(await send(server.port, length, cut(bytes, sizes))).toBe(digest);
    expect(await send(server.port, { 'Transfer-Encoding': 'chunked' }, cut(bytes, sizes))).toBe(digest);
  });

  test('comes as it was sent where one request follows the other on the connection without a pause', async () => {
    const answers: Promise<string>[] = [];
    await using server = await serve((message, response) => {
      // The slower the earlier ones are read, the more of them is in memory when the next ones come.
      const digest = digestOfBody(message, 20 - answers.length * 3);
      answers.push(digest);
      void digest.then((text) => response.end(text));
    });
    const bodies = [300_000, 10, 700_000, 65_536, 1_000_001].map((size) => seededBytes(size, `body ${size}`));
    const socket = connect(server.port, '127.0.0.1');
    socket.resume();
    for (const bytes of bodies) {
      socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
      socket.write(bytes);
    }
    await expect.poll(() => answers.length, { timeout: 15_000 }).toBe(bodies.length);
    expect(await Promise.all(answers)).toEqual(bodies.map((bytes) => sha256(bytes)));
    socket.destroy();
  });

  test('is not read ahead without end for a reader that does not come', async () => {
    const arrived = Promise.withResolvers<IncomingMessage>();
    await using server = await serve((message) => arrived.resolve(message));
    const outgoing = request({ port: server.port, host: '127.0.0.1', method: 'PUT', agent: false });
    outgoing.on('error', () => undefined);
    let sentBytes = 0;
    const pieces = function* (): Generator<Buffer> {
      for (let count = 0; count < 256; count += 1) {
        yield Buffer.alloc(MIB);
        sentBytes += MIB;
      }
    };
    Readable.from(pieces(), { objectMode: false }).pipe(outgoing);
    using body = new RequestBody(await arrived.promise);
    expect((await body.next())?.length).toBeGreaterThan(0);
    let before = -1;
    while (before !== sentBytes) {
      before = sentBytes;
      await delay(300);
    }
    // What two connections' ends and ours hold is far less than that.
    expect(sentBytes).toBeLessThan(64 * MIB);
    outgoing.destroy();
  });

  test('ends with an error when its client goes, and what came before is given first', async () => {
    const failure = Promise.withResolvers<unknown>();
    const came = Promise.withResolvers<number>();
    await using server = await serve((message) => {
      const body = new RequestBody(message);
      void (async () => {
        let bytes = 0;
        try {
          for (let batch = await body.next(); batch; batch = await body.next()) {
            bytes += batch.reduce((sum, { length }) => sum + length, 0);
            if (bytes === 1000) came.resolve(bytes);
          }
          failure.resolve(undefined);
        } catch (error) {
          failure.resolve(error);
        }
      })();
    });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n`);
    socket.write(Buffer.alloc(1000));
    expect(await came.promise).toBe(1000);
    socket.destroy();
    expect(await failure.promise).toMatchObject({ code: 'UPLOAD_INVALID' });
  });

  test('ends with an error when nothing comes for too long', async () => {
    const failure = Promise.withResolvers<unknown>();
    await using server = await serve((message) => {
      const body = new RequestBody(message, undefined, 100);
      const read = async (): Promise<void> => {
        while (await body.next());
      };
      read().then(() => failure.resolve(undefined), failure.resolve);
    });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc`);
    expect(await failure.promise).toMatchObject({ code: 'UPLOAD_INVALID', message: expect.stringContaining('0.1 s') });
    socket.destroy();
  });

  test.each([
    ['with its length', { 'Content-Length': '1001' }],
    ['without its length', { 'Transfer-Encoding': 'chunked' }],
  ])('as a whole has a limit, %s', async (_, headers) => {
    await using server = await serve((message, response) => {
      const body = new RequestBody(message);
      void body.whole(1000).then(
        () => response.end('taken'),
        (error: { code: string }) => response.end(error.code),
      );
    });
    expect(await send(server.port, headers, [Buffer.alloc(1001)])).toBe('MANIFEST_TOO_LARGE');
  });

  test.each([0, 1000])('as a whole may have %i bytes', async (size) => {
    await using server = await serve((message, response) => {
      const body = new RequestBody(message);
      void body.whole(1000).then((bytes) => response.end(sha256(bytes)));
    });
    const bytes = seededBytes(size, 'whole');
    expect(await send(server.port, { 'Content-Length': String(size) }, [bytes])).toBe(sha256(bytes));
  });

  test('that comes byte by byte is not taken ahead without bound, and comes all the same', async () => {
    const outcome = Promise.withResolvers<{ ahead: number; all: number }>();
    await using server = await serve((message, response) => {
      void (async () => {
        using body = new RequestBody(message);
        let all = (await body.next())?.length ?? 0;
        while (!message.isPaused()) await delay(5);
        const ahead = (await body.next())?.length ?? 0;
        for (let batch = await body.next(); batch; batch = await body.next()) all += batch.length;
        outcome.resolve({ ahead, all: all + ahead });
        response.end();
      })().catch(outcome.reject);
    });
    const count = 300_000;
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const head = 'PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    socket.end(`${head}${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`);
    const { ahead, all } = await outcome.promise;
    // What one read of the connection brought is taken in any case.
    expect(ahead).toBeLessThan(20_000);
    expect(all).toBe(count);
    socket.destroy();
  });
});
