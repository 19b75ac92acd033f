import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { describe, expect, test } from 'vitest';
import type { BodyStream } from '../../src/upstream/exchange.ts';
import { type NetworkOptions, sendByNetwork } from '../../src/upstream/network.ts';
import { Listener } from '../support/listener.ts';
import { readAll } from './connect.ts';

const timeouts = { headersMs: 5000, stallMs: 5000 };

/** The innermost exchange, at connections of its own. */
function network(options: Partial<NetworkOptions> = {}) {
  const agent = new Agent({ allowH2: false });
  const send = sendByNetwork(agent, { upstream: 'us-east', userAgent: 'test', timeouts, ...options });
  return {
    send: (url: string, method: 'GET' | 'HEAD' | 'PUT', body?: BodyStream) =>
      send({ kind: 'ping', method, url: new URL(url), headers: {}, signal: undefined, ...(body && { body }) }),
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

describe('an answer', () => {
  test('that comes byte by byte has to be through in time', async () => {
    await using server = await Listener.start((_, response) => {
      const drip = setInterval(() => response.write('x'), 20);
      response.once('close', () => clearInterval(drip));
    });
    await using peer = network({ answerMs: 300 });
    const { body } = await peer.send(server.url, 'GET');
    await expect(readAll(body)).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('takes too long'),
    });
  });

  test('that is through is left alone', async () => {
    await using server = await Listener.start((_, response) => void response.end('all of it'));
    await using peer = network({ answerMs: 50 });
    const { body } = await peer.send(server.url, 'GET');
    await sleep(100);
    expect((await readAll(body)).toString()).toBe('all of it');
  });
});

test.each([
  [true, 2],
  [false, 10],
])('ten HEADs (keepsAfterHead: %s) take %i connections at most', async (keepsAfterHead, expected) => {
  const ports = new Set<number | undefined>();
  await using server = await Listener.start((request, response) => {
    ports.add(request.socket.remotePort);
    response.writeHead(200, { 'content-length': '12' }).end();
  });
  await using peer = network({ keepsAfterHead });
  for (let time = 0; time < 10; time++) (await peer.send(server.url, 'HEAD')).discard();
  expect(ports.size).toBeLessThanOrEqual(expected);
  expect(ports.size).toBeGreaterThan(expected / 2 - 1);
});

describe('a body', () => {
  test('of nothing is not opened, but its length is told', async () => {
    const lengths: unknown[] = [];
    await using server = await Listener.start((request, response) => {
      lengths.push(request.headers['content-length']);
      response.end();
    });
    await using peer = network();
    let opened = 0;
    const open = async function* () {
      opened += 1;
      yield Buffer.alloc(1);
    };
    await peer.send(server.url, 'PUT', { sizeBytes: 0, open });
    expect([opened, lengths]).toEqual([0, ['0']]);
  });

  test('that is longer than it says it is breaks off', async () => {
    await using server = await Listener.start((request, response) => {
      request.resume().once('end', () => response.end());
    });
    await using peer = network();
    const open = async function* () {
      yield Buffer.alloc(20);
    };
    await expect(peer.send(server.url, 'PUT', { sizeBytes: 10, open })).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});
