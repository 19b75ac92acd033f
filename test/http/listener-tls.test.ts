import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2, type SecureClientSessionOptions } from 'node:http2';
import { connect } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { Listener, type RequestListener } from '../../src/http/listener.ts';
import type { TlsIdentity } from '../../src/http/tls-server.ts';
import { seededBytes } from '../support/bytes.ts';
import { type Identity, makeIdentity } from '../support/identity.ts';
import { dialHttp2 } from './http2-client.ts';

let own: Identity;
let alice: Identity;
let mallory: Identity;
beforeAll(async () => {
  [own, alice, mallory] = await Promise.all([makeIdentity(), makeIdentity(), makeIdentity()]);
});

const fine: RequestListener = (message, response) => void response.end(`fine over ${message.httpVersion}`);

function open(identity: TlsIdentity, listener = fine): Promise<Listener> {
  return Listener.open({ host: '127.0.0.1', port: 0 }, listener, identity);
}

/** What comes over HTTP/1.1. */
function askHttp1(listener: Listener, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    get(`https://${listener.address}/`, { agent: false, ca: own.cert, ...options }, (message) => {
      message.toArray().then((chunks) => resolve(chunks.join('')), reject);
    }).on('error', reject);
  });
}

/** What comes over HTTP/2. */
async function askHttp2(listener: Listener, options: SecureClientSessionOptions): Promise<string> {
  const session = connectHttp2(`https://${listener.address}`, { ca: own.cert, ...options });
  try {
    const failed = new Promise<never>((_, reject) => {
      session.once('error', reject);
      session.once('close', () => reject(new Error('the server closed the connection')));
    });
    const stream = session.request({ ':path': '/' });
    return await Promise.race([failed, stream.toArray().then((chunks) => chunks.join(''))]);
  } finally {
    session.destroy();
  }
}

describe('over TLS a listener', () => {
  test('speaks HTTP/2 to who offers it, and HTTP/1.1 to who does not', async () => {
    await using listener = await open(own);
    expect(await askHttp2(listener, {})).toBe('fine over 2.0');
    expect(await askHttp1(listener, {})).toBe('fine over 1.1');
    expect(await askHttp1(listener, { ALPNProtocols: ['http/1.1'] })).toBe('fine over 1.1');
  });

  test.each([
    ['--http2', '2'],
    ['--http1.1', '1.1'],
  ])('is understood by curl %s', async (flag, version) => {
    await using listener = await open(own, (message, response) => {
      void message.toArray().then((chunks: Buffer[]) => response.end(Buffer.concat(chunks)));
    });
    const sent = seededBytes(3 * 1024 * 1024, 'curl');
    const format = ['--write-out', '%{stderr}%{http_version}', '--output', '-'];
    const curl = promisify(execFile)(
      'curl',
      ['--silent', '--insecure', flag, ...format, '--upload-file', '-', `https://${listener.address}/`],
      { encoding: 'buffer', maxBuffer: 16 * 1024 * 1024 },
    );
    curl.child.stdin?.end(sent);
    const { stdout, stderr } = await curl;
    expect(stderr.toString()).toBe(version);
    expect(stdout.equals(sent)).toBe(true);
  });

  test('keeps a connection over HTTP/1.1 for the next request, and bounds its headers', async () => {
    await using listener = await open(own);
    using agent = disposableAgent();
    const ports = [];
    for (let number = 0; number < 2; number += 1) {
      const sent = get(`https://${listener.address}/`, { agent, ca: own.cert });
      const [message] = (await once(sent, 'response')) as [IncomingMessage];
      await message.toArray();
      ports.push(sent.socket?.localPort);
    }
    expect(ports[0]).toBe(ports[1]);
    const sent = request(`https://${listener.address}/`, {
      agent: false,
      ca: own.cert,
      headers: { a: 'x'.repeat(40_000) },
    });
    sent.end();
    const [message] = (await once(sent, 'response')) as [IncomingMessage];
    expect(message.statusCode).toBe(431);
    expect(JSON.parse((await message.toArray()).join(''))).toHaveProperty('errors');
  });

  test('takes a body over HTTP/1.1 that breaks off for no whole one', async () => {
    const outcome = Promise.withResolvers<unknown>();
    await using listener = await open(own, (message) => {
      message.toArray().then(outcome.resolve, outcome.resolve);
      message.once('data', () => sent.destroy());
    });
    const sent = request(`https://${listener.address}/`, { agent: false, ca: own.cert, method: 'PUT' });
    sent.on('error', () => undefined);
    sent.write('begin');
    expect(await outcome.promise).toMatchObject({ code: 'ECONNRESET' });
  });

  test('closes what does not speak TLS, and goes on', async () => {
    await using listener = await open(own);
    const [host, port] = listener.address.split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => undefined);
    socket.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect(await askHttp1(listener, {})).toBe('fine over 1.1');
  });

  test('drains though a handshake is never finished', async () => {
    const listener = await open(own);
    const [host, port] = listener.address.split(':');
    const silent = connect(Number(port), host);
    const halting = connect(Number(port), host);
    for (const socket of [silent, halting]) socket.on('error', () => undefined);
    const closed = Promise.all([silent, halting].map((socket) => once(socket.resume(), 'close')));
    await once(silent, 'connect');
    // The head of a record that never comes.
    halting.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]));
    expect(await askHttp1(listener, {})).toBe('fine over 1.1');
    await listener.drain(200);
    await closed;
  });
});

describe('a listener with a client CA', () => {
  const clients: [string, typeof askHttp1][] = [
    ['HTTP/1.1', askHttp1],
    ['HTTP/2', askHttp2],
  ];

  test.each(clients)('answers over %s who has a certificate of it, and refuses all others', async (_, ask) => {
    let requests = 0;
    await using listener = await open({ ...own, ca: alice.cert }, (message, response) => {
      requests += 1;
      fine(message, response);
    });
    expect(await ask(listener, alice)).toMatch(/^fine over/);
    await expect(ask(listener, {})).rejects.toThrow(Error);
    await expect(ask(listener, mallory)).rejects.toThrow(Error);
    expect(requests).toBe(1);
  });

  test('counts a new CA from then on, for sessions that are resumed too', async () => {
    await using listener = await open({ ...own, ca: alice.cert });
    const [host, port] = listener.address.split(':');
    const first = connectTls({ host, port: Number(port), ca: own.cert, ...alice });
    const session = new Promise<Buffer>((resolve) => {
      first.once('session', resolve);
    });
    first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const known = await session;
    first.destroy();
    listener.replaceIdentity({ ...own, ca: mallory.cert });
    expect(await askHttp1(listener, mallory)).toBe('fine over 1.1');
    await expect(askHttp1(listener, alice)).rejects.toThrow(Error);
    await expect(askHttp1(listener, { ...alice, session: known })).rejects.toThrow(Error);
  });
});

test('a renewed certificate is for new connections, and the old ones go on', async () => {
  const renewed = await makeIdentity();
  await using listener = await open(own);
  await using client = await dialHttp2(listener, own.cert);
  listener.replaceIdentity(renewed);
  await expect(askHttp1(listener, {})).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(await askHttp1(listener, { ca: renewed.cert })).toBe('fine over 1.1');
  expect(await askHttp2(listener, { ca: renewed.cert })).toBe('fine over 2.0');
  expect((await client.ask({})).body.toString()).toBe('fine over 2.0');
});

function disposableAgent(): Agent & Disposable {
  const agent = new Agent({ keepAlive: true });
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}
