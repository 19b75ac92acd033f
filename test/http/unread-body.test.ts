import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { startHosted, type TestHosted } from '../support/hosted.ts';

let server: TestHosted;
beforeAll(async () => {
  server = await startHosted();
});
afterAll(async () => server[Symbol.asyncDispose]());

const CI = `Authorization: Basic ${Buffer.from('ci:secret').toString('base64')}`;

function open(): Socket {
  const { hostname, port } = new URL(server.registryUrl);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  return socket;
}

/** Reads until the text has come. */
async function until(socket: Socket, wanted: RegExp): Promise<string> {
  let text = '';
  while (!wanted.test(text)) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    text += piece.toString('latin1');
  }
  return text;
}

/** Sends so many MiB, as long as somebody takes them. */
async function pour(socket: Socket, mib: number): Promise<void> {
  const piece = Buffer.alloc(1024 * 1024);
  socket.on('error', () => undefined);
  for (let sent = 0; sent < mib && !socket.destroyed; sent += 1) {
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
}

describe('a request that is refused before its body came', () => {
  test.each([
    ['nobody may push', 'POST /v2/local/app/blobs/uploads/?digest=', '', /^HTTP\/1\.1 401 /],
    ['there is no such upload', 'PATCH /v2/local/app/blobs/uploads/0123?x=', `${CI}\r\n`, /^HTTP\/1\.1 404 /],
    ['the method is impossible', 'PUT /v2/local/app/tags/list?x=', `${CI}\r\n`, /^HTTP\/1\.1 405 /],
    ['it is too large', 'PUT /v2/local/app/manifests/v1?x=', `${CI}\r\n`, /^HTTP\/1\.1 413 /],
  ])(
    'is answered while the client still sends, since %s; then the connection ends',
    async (_, start, header, status) => {
      const socket = open();
      const digest = sha256(Buffer.from('x'));
      const closed = once(socket, 'close');
      socket.write(`${start}${digest} HTTP/1.1\r\nHost: x\r\n${header}Content-Length: 1073741824\r\n\r\n`);
      const answer = until(socket, /"errors":.*\}\]\}$/s);
      const pouring = pour(socket, 1024);
      expect(await answer).toMatch(status);
      expect(await answer).toMatch(/\r\nConnection: close\r\n/i);
      // A client that has its answer goes; one that does not is cut off.
      socket.end();
      await closed;
      await pouring;
    },
  );

  test('leaves the connection as it is when little is to come', async () => {
    const socket = open();
    socket.write('POST /v2/local/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
    expect(await until(socket, /"errors":.*\}\]\}$/s)).not.toMatch(/\r\nConnection: close\r\n/i);
    socket.write(Buffer.alloc(1000));
    socket.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\n${CI}\r\n\r\n`);
    expect(await until(socket, /\{\}$/)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });
});

test('a client that asks first whether it may send is told so', async () => {
  const socket = open();
  const bytes = seededBytes(5000, 'expected');
  const query = `?digest=${sha256(bytes)}`;
  socket.write(
    `POST /v2/local/app/blobs/uploads/${query} HTTP/1.1\r\nHost: x\r\n${CI}\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n`,
  );
  expect(await until(socket, /\r\n\r\n$/)).toMatch(/^HTTP\/1\.1 100 /);
  socket.write(bytes);
  expect(await until(socket, /\r\n\r\n$/)).toMatch(/^HTTP\/1\.1 201 /);
  socket.destroy();
});
