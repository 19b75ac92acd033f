import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { ask, type ClientAnswer } from './support/ask.ts';
import { expectContent, expectError } from './support/expectations.ts';
import { setStage } from './support/stage.ts';

const REPOSITORY = '/v2/library/app';
const SIZE = 400_000;
const BYTES = seededBytes(SIZE, 'ranges');

/** What a Range header asks for, both ends included; `undefined`: nothing that can be. */
const SINGLE: readonly { range: string; first: number; last: number }[] = [
  { range: 'bytes=0-0', first: 0, last: 0 },
  { range: 'bytes=0-', first: 0, last: SIZE - 1 },
  { range: 'bytes=500-1499', first: 500, last: 1499 },
  { range: 'bytes=150000-', first: 150_000, last: SIZE - 1 },
  { range: 'bytes=-500', first: SIZE - 500, last: SIZE - 1 },
  { range: `bytes=-${SIZE * 2}`, first: 0, last: SIZE - 1 },
  { range: `bytes=1000-${SIZE}`, first: 1000, last: SIZE - 1 },
  { range: `bytes=${SIZE - 1}-${SIZE * 9}`, first: SIZE - 1, last: SIZE - 1 },
  { range: 'bytes = 5-9', first: 5, last: 9 },
  { range: 'Bytes=5-9', first: 5, last: 9 },
];
const IMPOSSIBLE = [`bytes=${SIZE}-`, `bytes=${SIZE + 5}-${SIZE + 9}`, 'bytes=-0'];
const MEANINGLESS = [
  'bytes=9-5',
  'bytes=a-b',
  'bytes=-',
  'bytes=',
  'lines=1-2',
  'bytes=1-2-3',
  'bytes=99999999999999999999-',
];

function expectPart(answer: ClientAnswer, first: number, last: number): void {
  expect(answer.status).toBe(206);
  expect(answer.headers['content-range']).toBe(`bytes ${first}-${last}/${SIZE}`);
  expect(answer.headers['content-length']).toBe(String(last - first + 1));
  expect(answer.headers['content-type']).toBe('application/octet-stream');
  expect(answer.whole).toBe(true);
  expect(answer.body.equals(BYTES.subarray(first, last + 1))).toBe(true);
}

describe.concurrent('a range', () => {
  test.each(['cached', 'uncached'])('of a blob that is %s gives its bytes, 416, or the whole blob', async (state) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `${REPOSITORY}/blobs/${blob}`;
    if (state === 'cached') expectContent(await ask(mirror, path), blob);
    for (const { range, first, last } of SINGLE) {
      const answer = await ask(mirror, path, { headers: { Range: range } });
      if (range === 'bytes = 5-9' && answer.status === 200) expectContent(answer, blob);
      else expectPart(answer, first, last);
    }
    for (const range of IMPOSSIBLE) {
      const answer = await ask(mirror, path, { headers: { Range: range } });
      expectError(answer, 416);
      expect(answer.headers['content-range'], range).toBe(`bytes */${SIZE}`);
    }
    for (const range of MEANINGLESS) {
      const answer = await ask(mirror, path, { headers: { Range: range } });
      if (answer.status === 416) expectError(answer, 416);
      else expectContent(answer, blob);
    }
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
  });

  test.each(SINGLE.slice(0, 5))('$range, as the first request for a blob, is answered with 206', async (each) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `${REPOSITORY}/blobs/${blob}`;
    expectPart(await ask(mirror, path, { headers: { Range: each.range } }), each.first, each.last);
    expectContent(await ask(mirror, path), blob);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
  });

  test.each(IMPOSSIBLE)('%s, as the first request for a blob, is 416', async (range) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const path = `${REPOSITORY}/blobs/${origin.addBlob(BYTES)}`;
    const answer = await ask(mirror, path, { headers: { Range: range } });
    expectError(answer, 416);
    expect(answer.headers['content-range']).toBe(`bytes */${SIZE}`);
  });

  test.each([
    { name: 'that sends ranges', ranges: true },
    { name: 'that knows none', ranges: false },
  ])('of an uncached blob comes at once from a slow upstream $name', async ({ ranges }) => {
    await using stage = await setStage({ from: { ranges } });
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 100_000 });
    const controller = new AbortController();
    const url = `${mirror.url}${REPOSITORY}/blobs/${blob}`;
    // Not the very last bytes: those wait for the digest.
    const wanted = ranges ? [300_000, 250_000] : [20_000, 50_000];
    const whole = fetch(url, { signal: controller.signal }).then(async (response) => response.bytes());
    for (const first of wanted) {
      const answer = await ask(mirror, `${REPOSITORY}/blobs/${blob}`, {
        headers: { Range: `bytes=${first}-${first + 9}` },
      });
      expectPart(answer, first, first + 9);
      expect(answer.headersMs, 'the headers').toBeLessThan(1900);
      expect(answer.ms, 'the bytes').toBeLessThan(1900);
    }
    controller.abort();
    await expect(whole).rejects.toMatchObject({ name: 'AbortError' });
  });

  test.each(['cached', 'uncached'])('list on a blob that is %s is answered in parts or whole', async (state) => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `${REPOSITORY}/blobs/${blob}`;
    if (state === 'cached') await ask(mirror, path);
    for (const range of ['bytes=0-9,100-109,399990-', 'bytes=0-9, -5', `bytes=0-9,${SIZE}-`]) {
      const answer = await ask(mirror, path, { headers: { Range: range } });
      if (answer.status === 200) expectContent(answer, blob);
      else expectParts(answer, range);
    }
    const many = Array.from({ length: 5000 }, (_, index) => `${index}-${index}`).join(',');
    const answer = await ask(mirror, path, { headers: { Range: `bytes=${many}`.slice(0, 12_000) } });
    expect([200, 206, 400, 416, 431]).toContain(answer.status);
    expect(origin.blobBytesSent(blob)).toBeLessThanOrEqual(SIZE * 1.02);
  });

  test('holds only as long as If-Range names what is there', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const path = `${REPOSITORY}/blobs/${blob}`;
    const { headers } = await ask(mirror, path);
    const same = await ask(mirror, path, { headers: { Range: 'bytes=1-5', 'If-Range': headers.etag ?? '' } });
    expectPart(same, 1, 5);
    expectContent(await ask(mirror, path, { headers: { Range: 'bytes=1-5', 'If-Range': '"another"' } }), blob);
  });

  test('of HEAD or of an empty blob does no harm', async () => {
    await using stage = await setStage();
    const { origin, mirror } = stage;
    const blob = origin.addBlob(BYTES);
    const empty = origin.addBlob(Buffer.alloc(0));
    const head = await ask(mirror, `${REPOSITORY}/blobs/${blob}`, { method: 'HEAD', headers: { Range: 'bytes=0-4' } });
    expect([200, 206]).toContain(head.status);
    for (let round = 0; round < 2; round++) {
      expectContent(await ask(mirror, `${REPOSITORY}/blobs/${empty}`), empty);
      const part = await ask(mirror, `${REPOSITORY}/blobs/${empty}`, { headers: { Range: 'bytes=0-' } });
      expect([200, 416]).toContain(part.status);
    }
  });
});

/** One part for each range that can be, in order (RFC 9110, 14.6), or the only one by itself. */
function expectParts(answer: ClientAnswer, range: string): void {
  expect(answer.status).toBe(206);
  expect(answer.headers['content-length']).toBe(String(answer.body.length));
  const type = String(answer.headers['content-type']);
  const [, boundary] = /^multipart\/byteranges; *boundary="?([^"]+)"?$/.exec(type) ?? [];
  if (boundary === undefined) {
    expect(range, 'one range is left').toContain(`,${SIZE}-`);
    expectPart(answer, 0, 9);
    return;
  }
  const text = answer.body.toString('latin1');
  const parts = text.split(`--${boundary}`).slice(1, -1);
  expect(text.trimEnd().endsWith(`--${boundary}--`)).toBe(true);
  expect(parts.length).toBe(range.includes(`,${SIZE}-`) ? 1 : range.split(',').length);
  for (const part of parts) {
    const [, first, last] = /content-range: bytes (\d+)-(\d+)\/400000/i.exec(part) ?? [];
    const content = part.slice(part.indexOf('\r\n\r\n') + 4, -2);
    expect(content).toBe(BYTES.toString('latin1', Number(first), Number(last) + 1));
  }
}
