import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { startHosted, type TestHosted } from '../support/hosted.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { expectNoFailure } from './support/fuzz-answers.ts';
import {
  expectNoStrayFiles,
  expectStoreWhole,
  expectTagsPullable,
  expectUploadsFound,
  filesBelow,
} from './support/fuzz-leftovers.ts';
import { CONTENTS, fuzzRequest, REPOSITORIES } from './support/fuzz-requests.ts';
import { RAW_REQUESTS, rawRequest } from './support/fuzz-raw.ts';
import { encryptedLine, plainLine } from './support/fuzz-lines.ts';
import { FuzzWorld } from './support/fuzz-world.ts';
import { pushBlob, ship } from './support/push.ts';
import { type Client, send } from './support/send.ts';

/** Requests to send: a hundred thousand in a long run. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 2000);
const AT_ONCE = 8;
const TIME_LIMIT_MS = 60_000 + CASES * 40;

const opened = new AsyncDisposableStack();
let server: TestHosted;
let world: FuzzWorld;
let filesAtFirst: readonly string[];

beforeAll(async () => {
  const origin = opened.use(await startOrigin({ allowUnexpected: true }));
  const { certFile, keyFile } = await makeCertificate(opened.use(await temporaryDirectory()).path);
  const tls = { cert: certFile, key: keyFile };
  server = opened.use(await startHosted({ origin, config: { registry: { listen: '127.0.0.1:0', tls } } }));
  world = new FuzzWorld({
    mirror: opened.use(plainLine(() => server.url)),
    registry: opened.use(encryptedLine(() => server.registryUrl, await readFile(certFile, 'utf8'))),
  });
  filesAtFirst = (await filesBelow(server.root)).filter((file) => !file.startsWith('some/'));
  buildImage(origin, 'library/fuzz', 'v1');
  for (const repository of ['local/fuzz', 'sparse/fuzz']) {
    await ship(clientIn(repository), (target) => buildImage(target, '', 'v1'));
    for (const bytes of CONTENTS) await pushBlob(clientIn(repository), bytes);
  }
});

afterAll(async () => opened.disposeAsync());

function clientIn(repository: string): Client {
  return { url: server.url, user: 'ci', repository };
}

/** It still does what it is for. */
async function expectWell(tag: string): Promise<void> {
  const client = clientIn('local/well');
  const image = await ship(client, (target) => buildImage(target, '', tag));
  const got = await send(client, 'GET', `manifests/${tag}`);
  expect(got.body.equals(image.bytes)).toBe(true);
  expect((await send({ ...client, user: undefined }, 'GET', '/v2/')).status).toBe(200);
}

describe('whatever requests come', () => {
  test('none is answered by 5xx, hangs or lies', { timeout: TIME_LIMIT_MS }, async () => {
    const requests = fc.array(fuzzRequest, { minLength: AT_ONCE, maxLength: AT_ONCE });
    await fc.assert(
      fc.asyncProperty(requests, async (batch) => {
        // All of them end, before one that fails makes it known.
        const results = await Promise.allSettled(batch.map((request) => world.send(request)));
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      }),
      { numRuns: Math.ceil(CASES / AT_ONCE) },
    );
    // They were not all turned away at the door.
    for (const status of [200, 201, 202, 204, 400, 401, 403, 404, 405]) {
      expect(world.statuses.get(status) ?? 0, `answers of ${status}`).toBeGreaterThan(0);
    }
    await expectWell('after-requests');
  });

  test('nothing was left that cannot be found', { timeout: TIME_LIMIT_MS }, async () => {
    await expectNoStrayFiles(server, filesAtFirst);
    await expectStoreWhole(server);
    await expectUploadsFound(server, world.uploads.values());
    expect(await expectTagsPullable(clientIn('local/fuzz'), REPOSITORIES)).toBeGreaterThan(0);
  });
});

/** Writes to a socket and closes our side; gives the statuses of what came back until the server closed too. */
async function exchangeRaw(url: string, bytes: Uint8Array): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: '127.0.2.2' });
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  // It may break the connection while we still write.
  socket.on('error', () => undefined);
  socket.end(bytes);
  const closed = new Promise<boolean>((resolve) => void socket.once('close', () => resolve(true)));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), 30_000);
  });
  const isClosed = await Promise.race([closed, late]);
  clearTimeout(timer);
  socket.destroy();
  expect(isClosed, 'the server closes the connection').toBe(true);
  const text = Buffer.concat(pieces).toString('latin1');
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

describe('whatever bytes come', () => {
  test.each(RAW_REQUESTS)('a request with $name is no trouble', async ({ text }) => {
    for (const url of [server.url, server.registryUrl]) {
      expectNoFailure(await exchangeRaw(url, Buffer.from(text, 'latin1')));
    }
  });

  test('requests that were damaged on the way are no trouble', { timeout: TIME_LIMIT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(rawRequest, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (batch) => {
        const url = server.url;
        const statuses = await Promise.all(batch.map((bytes) => exchangeRaw(url, bytes)));
        expectNoFailure(statuses.flat());
      }),
      { numRuns: Math.ceil(CASES / 8 / AT_ONCE) },
    );
    await expectWell('after-bytes');
  });

  test('nothing was left of them either', async () => {
    await expectNoStrayFiles(server, filesAtFirst);
    await expectStoreWhole(server);
  });
});
