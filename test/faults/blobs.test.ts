import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { buildImage } from '../support/images.ts';
import { type AskOptions, ask } from './support/ask.ts';
import {
  expectCached,
  expectCleanFailure,
  expectContent,
  expectError,
  GATEWAY_ERRORS,
} from './support/expectations.ts';
import { ANSWER_FAULTS, BROKEN_BODIES, WRONG_BODIES } from './support/named-faults.ts';
import { setStage } from './support/stage.ts';
import { stagePool } from './support/stage-pool.ts';

const stages = stagePool();

const SIZE = 300_000;

describe.concurrent('a blob that is not cached', () => {
  const requests: AskOptions[] = [{}, { method: 'HEAD' }, { headers: { Range: 'bytes=100-' } }];
  test.each(ANSWER_FAULTS)('is a gateway error on $name, and comes afterwards', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    for (const [seed, request] of (fault.kind === 'stall' ? requests.slice(0, 1) : requests).entries()) {
      const blob = origin.addBlob(seededBytes(SIZE, stage.seed + seed));
      origin.fault({ path: '/blobs/' }, fault);
      const refused = await ask(mirror, `${stage.path}/blobs/${blob}`, request);
      if (request.method === 'HEAD') expect(GATEWAY_ERRORS).toContain(refused.status);
      else expectError(refused, GATEWAY_ERRORS);
      origin.clearFaults();
      expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    }
  });

  test.each([
    { name: 'a reset after the headers', fault: { kind: 'reset', afterBytes: 0 } as const },
    { name: 'an end after the headers', fault: { kind: 'truncate', afterBytes: 0 } as const },
  ])('fails cleanly on $name again and again, and comes afterwards', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/blobs/' }, fault);

    expectCleanFailure(await ask(mirror, `${stage.path}/blobs/${blob}`), SIZE);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });

  test.each(
    [...ANSWER_FAULTS, ...BROKEN_BODIES].filter(({ fault }) => fault.kind !== 'stall' || fault.afterBytes !== -1),
  )('comes whole, each byte once, if $name happens once', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    const late = 'afterBytes' in fault && fault.afterBytes === 100 ? { ...fault, afterBytes: 200_000 } : fault;
    origin.fault({ path: '/blobs/' }, late, { times: 1 });

    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
    expectCached(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });

  test('comes whole if upstream falls silent after the headers, twice', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/blobs/' }, { kind: 'stall', afterBytes: 0 }, { times: 2 });

    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
  });

  test.each(BROKEN_BODIES)('comes whole after $name though upstream knows no ranges', async ({ fault }) => {
    await using stage = await setStage({ from: { ranges: false } });
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault(
      { path: '/blobs/' },
      { ...fault, ...('afterBytes' in fault && { afterBytes: 200_000 }) },
      { times: 1 },
    );

    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });

  test('comes whole though upstream breaks the connection every 40,000 bytes', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/blobs/' }, { kind: 'reset', afterBytes: 40_000 });

    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
  });

  test('comes whole though upstream tells no length', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed, layers: [SIZE] });
    const alone = origin.addBlob(seededBytes(SIZE, stage.seed + 1));
    origin.fault({ path: '/blobs/' }, { kind: 'noLength' });

    await ask(mirror, `${stage.path}/manifests/v1`);
    for (const blob of [...image.layers, alone]) {
      const answer = await ask(mirror, `${stage.path}/blobs/${blob}`);
      expect(answer.status).toBe(200);
      expect(answer.whole).toBe(true);
      expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    }
  });

  test('is 404 BLOB_UNKNOWN only where upstream says so', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.deleteBlob(blob);

    expectError(await ask(mirror, `${stage.path}/blobs/${blob}`), 404, 'BLOB_UNKNOWN');
    origin.addBlob(seededBytes(SIZE, stage.seed));
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });
});

describe.concurrent('wrong bytes for a blob', () => {
  for (const known of [true, false]) {
    const size = known ? 'whose manifest tells the size' : 'of unknown size';
    test.each(WRONG_BODIES)(
      `${size}: $name never end as if all were well, and the next try succeeds`,
      async ({ fault }) => {
        await using stage = await stages.take();
        const { origin, mirror } = stage;
        const image = buildImage(origin, stage.name, 'v1', { seed: stage.seed, layers: [50_000] });
        const [layer = ''] = image.layers;
        if (known) await ask(mirror, `${stage.path}/manifests/v1`);
        origin.fault({ path: '/blobs/' }, fault);

        const clients = [1, 2, 3].map(async () => ask(mirror, `${stage.path}/blobs/${layer}`));
        for (const answer of await Promise.all(clients)) expectCleanFailure(answer, 60_000);
        origin.clearFaults();
        expectContent(await ask(mirror, `${stage.path}/blobs/${layer}`), layer);
      },
    );
  }

  test('at the end are not served to a client that asks only for the end', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/blobs/' }, { kind: 'corrupt', at: 1_000_000 });

    const headers = { Range: 'bytes=-10' };
    const answer = await ask(mirror, `${stage.path}/blobs/${blob}`, { headers });
    if (answer.status === 206) expect(answer.whole && answer.body.length === 10).toBe(false);
    else expectError(answer, GATEWAY_ERRORS);
    origin.clearFaults();
    const again = await ask(mirror, `${stage.path}/blobs/${blob}`, { headers });
    expect(again.body).toEqual(seededBytes(SIZE, stage.seed).subarray(-10));
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });

  test('which come with a resumed part are found', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    origin.fault({ path: '/blobs/', range: false }, { kind: 'reset', afterBytes: 100_000 });
    origin.fault({ path: '/blobs/', range: true }, { kind: 'corrupt', at: 5 });

    expectCleanFailure(await ask(mirror, `${stage.path}/blobs/${blob}`), SIZE);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });

  test('which come because upstream answers another range than was asked for are found', async () => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const bytes = seededBytes(SIZE, stage.seed);
    const blob = origin.addBlob(bytes);
    origin.fault({ path: '/blobs/', range: false }, { kind: 'reset', afterBytes: 100_000 }, { times: 1 });
    origin.fault(
      { path: '/blobs/', range: true },
      {
        kind: 'handler',
        handle: (_request, response) => {
          response
            .writeHead(206, { 'Content-Range': `bytes 0-${SIZE - 1}/${SIZE}`, 'Content-Length': SIZE })
            .end(bytes);
        },
      },
    );

    const answer = await ask(mirror, `${stage.path}/blobs/${blob}`);
    if (answer.whole && answer.status === 200) expectContent(answer, blob);
    else expectCleanFailure(answer, SIZE);
    origin.clearFaults();
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
  });
});

describe.concurrent('a blob that is cached', () => {
  test.each([...ANSWER_FAULTS, ...BROKEN_BODIES, ...WRONG_BODIES])('is served on $name', async ({ fault }) => {
    await using stage = await stages.take();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(seededBytes(SIZE, stage.seed));
    expectContent(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    origin.fault({}, fault, { beforeAuth: true });
    origin.resetCounts();

    expectCached(await ask(mirror, `${stage.path}/blobs/${blob}`), blob);
    const part = await ask(mirror, `${stage.path}/blobs/${blob}`, { headers: { Range: 'bytes=-5' } });
    expect(part.status).toBe(206);
    expect(part.body).toEqual(seededBytes(SIZE, stage.seed).subarray(-5));
    expect(origin.requestCount({ path: '/blobs/' })).toBe(0);
  });
});
