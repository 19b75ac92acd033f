import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type ByteReader, sendBytes } from '../../src/http/send-bytes.ts';
import { seededBytes } from '../support/bytes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const content = seededBytes(48 * MIB, 'send-bytes');

/** Reads from memory, and keeps count. */
class CountingReader implements ByteReader {
  readBytes = 0;
  largestBytes = 0;
  largestPendingBytes = 0;
  readonly #response: ServerResponse;
  readonly #most: number;

  /** @param most what one read gives at most */
  constructor(response: ServerResponse, most = Infinity) {
    this.#response = response;
    this.#most = most;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const length = Math.min(buffer.length, this.#most, content.length - position);
    content.copy(buffer, 0, position, position + length);
    this.readBytes += length;
    this.largestBytes = Math.max(this.largestBytes, buffer.length);
    this.largestPendingBytes = Math.max(this.largestPendingBytes, this.#response.writableLength);
    return length;
  }
}

type Act = (response: ServerResponse) => Promise<void>;

/** A server of one answer, a client that has its headers, and what became of the act that writes the answer. */
async function serve(act: Act, contentLength?: number) {
  const outcome = Promise.withResolvers<unknown>();
  const server = createServer((_, response) => {
    if (contentLength !== undefined) response.setHeader('Content-Length', contentLength);
    response.flushHeaders();
    act(response).then(() => outcome.resolve('done'), outcome.resolve);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const request = get({ host: '127.0.0.1', port, agent: false });
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  message.on('error', () => undefined);
  return {
    message,
    outcome: outcome.promise,
    [Symbol.asyncDispose]: async () => {
      request.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function receive(message: IncomingMessage, pause?: { everyBytes: number; ms: number }): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sincePause = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sincePause += chunk.length;
    if (!pause || sincePause < pause.everyBytes) continue;
    sincePause = 0;
    await sleep(pause.ms);
  }
  return Buffer.concat(chunks);
}

describe('sendBytes', () => {
  test.each([
    { startBytes: 0, endBytes: 0 },
    { startBytes: 0, endBytes: 1 },
    { startBytes: 0, endBytes: 64 * KIB },
    { startBytes: 7, endBytes: 64 * KIB + 8 },
    { startBytes: 12_345, endBytes: 20 * MIB + 1 },
    { startBytes: 0, endBytes: content.length },
    { startBytes: 40 * MIB, endBytes: undefined },
    { startBytes: content.length, endBytes: undefined },
  ])('sends the bytes of $startBytes to $endBytes, all of them and no others', async (range) => {
    let told = 0;
    await using exchange = await serve(async (response) => {
      await sendBytes(new CountingReader(response), range, response, (bytes) => (told += bytes));
      response.end();
    });
    const expected = content.subarray(range.startBytes, range.endBytes);
    const received = await receive(exchange.message);
    expect(await exchange.outcome).toBe('done');
    expect(received.equals(expected)).toBe(true);
    expect(told).toBe(expected.length);
  });

  test.each([1000, 65_537, 300_000])('sends the right bytes of a source that gives %i at a time', async (most) => {
    const range = { startBytes: 5, endBytes: 3 * MIB };
    await using exchange = await serve(async (response) => {
      await sendBytes(new CountingReader(response, most), range, response, () => undefined);
      response.end();
    });
    expect((await receive(exchange.message)).equals(content.subarray(5, 3 * MIB))).toBe(true);
  });

  test('uses buffers of one MiB at most for a fast client', async () => {
    let reader: CountingReader | undefined;
    await using exchange = await serve(async (response) => {
      reader = new CountingReader(response);
      for (let round = 0; round < 3; round += 1) {
        await sendBytes(reader, { startBytes: 0, endBytes: content.length }, response, () => undefined);
      }
      response.end();
    });
    exchange.message.resume();
    expect(await exchange.outcome).toBe('done');
    expect(reader?.largestBytes).toBeLessThanOrEqual(MIB);
    expect(reader?.largestPendingBytes).toBeLessThanOrEqual(2 * MIB);
  });

  test('waits for a client that does not read, with little in memory, and then sends it everything', async () => {
    let reader: CountingReader | undefined;
    await using exchange = await serve(async (response) => {
      reader = new CountingReader(response);
      await sendBytes(reader, { startBytes: 0, endBytes: content.length }, response, () => undefined);
      response.end();
    });
    await sleep(300);
    const readWhileWaiting = reader?.readBytes ?? 0;
    await sleep(200);
    expect(reader?.readBytes).toBe(readWhileWaiting);
    expect(readWhileWaiting).toBeLessThan(24 * MIB);
    const received = await receive(exchange.message, { everyBytes: 12 * MIB, ms: 130 });
    expect(received.equals(content)).toBe(true);
    expect(await exchange.outcome).toBe('done');
    expect(reader?.largestPendingBytes).toBeLessThanOrEqual(2 * MIB);
  });

  test('throws when the source ends too early', async () => {
    const range = { startBytes: 47 * MIB, endBytes: content.length + 1 };
    await using exchange = await serve((response) =>
      sendBytes(new CountingReader(response), range, response, () => undefined),
    );
    exchange.message.resume();
    expect(await exchange.outcome).toMatchObject({ code: 'CONTENT_TRUNCATED' });
  });

  test('throws what the source throws, though bytes are on their way', async () => {
    const broken = new Error('a broken sector');
    await using exchange = await serve((response) => {
      const inner = new CountingReader(response);
      const read = (buffer: Uint8Array, position: number) =>
        position > MIB ? Promise.reject(broken) : inner.read(buffer, position);
      return sendBytes({ read }, { startBytes: 0, endBytes: 2 * MIB }, response, () => undefined);
    });
    exchange.message.resume();
    expect(await exchange.outcome).toBe(broken);
  });

  test('throws soon when the client goes, whether it had read or not', async () => {
    for (const hasRead of [true, false]) {
      await using exchange = await serve((response) =>
        sendBytes(new CountingReader(response), { startBytes: 0, endBytes: 48 * MIB }, response, () => undefined),
      );
      if (hasRead) {
        await once(exchange.message, 'data');
        exchange.message.pause();
      }
      await sleep(50);
      exchange.message.destroy();
      expect(await exchange.outcome).toMatchObject({ code: 'CLIENT_GONE' });
    }
  });
});
