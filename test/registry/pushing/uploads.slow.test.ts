import { rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { usedBytes } from '../../../src/registry/space/room.ts';
import { seededBytes } from '../../support/bytes.ts';
import { storedFile } from './support/stored-file.ts';
import { CAUSE, incoming, openPushes, OWNER, stalling } from './support/open-pushes.ts';

const MIB = 1024 * 1024;
const bytes = seededBytes(300_000, 'pushed');
const digest = digestOf(bytes);
const target = { owner: OWNER, digest, cause: CAUSE };
const [first, second] = [bytes.subarray(0, 100_000), bytes.subarray(100_000)];

afterEach(() => void vi.useRealTimers());

describe('an upload', () => {
  test('becomes a blob of its repository, with an event of who pushed it', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    expect(await uploads.append(id, OWNER, incoming([first]))).toEqual({ id, sizeBytes: 100_000 });
    await uploads.finish(id, target, incoming([second], { sizeBytes: 200_000 }));
    const { index } = opened.stock;
    expect(await index.findBlob('local/app', digest)).toMatchObject({ isStored: true, belongs: true });
    expect(await index.readEvents(0, 10)).toMatchObject([{ kind: 'blob', repository: 'local/app', actor: 'ci' }]);
    expect(() => uploads.status(id, OWNER)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
    expect(await opened.stock.store.listUploads()).toEqual([]);
  });

  test('is found by the next run, with its space, by its owner and by nobody else', async () => {
    await using opened = await openPushes();
    const { id } = await opened.pushes.uploads.start(OWNER);
    await opened.pushes.uploads.append(id, OWNER, incoming([first]));
    const before = usedBytes(await opened.stock.space.budget.read());
    const { uploads } = await opened.reopen();
    expect(uploads.status(id, OWNER)).toEqual({ id, sizeBytes: 100_000 });
    expect(uploads.repositories).toEqual(new Set(['local/app']));
    // Both runs are in this process, and each has promised it.
    expect(usedBytes(await opened.stock.space.budget.read()) - before).toBeGreaterThanOrEqual(100_000);
    for (const other of [
      { ...OWNER, principal: 'dave' },
      { ...OWNER, repository: 'local/other' },
    ]) {
      expect(() => uploads.status(id, other)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
    }
    await uploads.finish(id, target, incoming([second]));
    expect(await opened.stock.store.verify(digest)).toBe('intact');
  });

  test('whose note is none of ours is cleared away', async () => {
    await using opened = await openPushes();
    await using _ = await opened.stock.store.startUpload('a note of somebody else');
    await opened.stock.store.startUpload('another').then((upload) => upload[Symbol.asyncDispose]());
    await _[Symbol.asyncDispose]();
    await opened.reopen();
    expect(await opened.stock.store.listUploads()).toEqual([]);
  });

  test('that is not what its digest says is thrown away', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    const finishing = uploads.finish(id, target, incoming([first]));
    await expect(finishing).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
    expect(() => uploads.status(id, OWNER)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
    expect(await opened.stock.store.listUploads()).toEqual([]);
    expect(await opened.stock.files()).toEqual(new Set());
  });

  test.each([
    ['RANGE_INVALID', { range: { startBytes: 1, endBytes: 100_001 } }, 0],
    ['SIZE_INVALID', { range: { startBytes: 0, endBytes: 100_000 }, sizeBytes: 99_999 }, 0],
    ['UPLOAD_INVALID', { range: { startBytes: 0, endBytes: 99_999 } }, 0],
    ['UPLOAD_INVALID', { sizeBytes: 100_001 }, 100_000],
  ])('takes what was announced: %s of %j', async (code, announced, arrived) => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    await expect(uploads.append(id, OWNER, incoming([first], announced))).rejects.toMatchObject({ code });
    expect(uploads.status(id, OWNER).sizeBytes).toBe(arrived);
  });

  test('in one request leaves no session behind when it fails', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const failing = uploads.pushWhole(target, 'sha256', incoming([first]));
    await expect(failing).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
    const broken = { ...incoming([first]), next: () => Promise.reject(new Error('gone')) };
    await expect(uploads.pushWhole(target, 'sha256', broken)).rejects.toThrow('gone');
    expect(uploads.repositories.size).toBe(0);
    expect(await opened.stock.store.listUploads()).toEqual([]);
    await uploads.pushWhole(target, 'sha512', incoming([first, second]));
    expect(await opened.stock.store.verify(digest)).toBe('intact');
  });

  test('of what is stored already is linked, and its bytes are thrown away', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    await uploads.pushWhole(target, 'sha256', incoming([bytes]));
    const before = await stat(storedFile(opened.stock, digest));
    await uploads.pushWhole({ ...target, owner: { ...OWNER, repository: 'local/two' } }, 'sha256', incoming([bytes]));
    expect((await stat(storedFile(opened.stock, digest))).ino).toBe(before.ino);
    expect(await opened.stock.index.findBlob('local/two', digest)).toMatchObject({ isStored: true, belongs: true });
  });

  test('takes the place of a file that is cut off', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    await uploads.pushWhole(target, 'sha256', incoming([bytes]));
    await truncate(storedFile(opened.stock, digest), 10);
    await uploads.pushWhole(target, 'sha256', incoming([bytes]));
    expect(await opened.stock.store.verify(digest)).toBe('intact');
  });
});

describe('an upload that nobody works on', () => {
  test.each([
    ['that was only begun', []],
    ['that has bytes', [first]],
  ])('%s is closed after a while, and opened again', async (_, batches) => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { id } = await uploads.start(OWNER);
    for (const batch of batches) await uploads.append(id, OWNER, incoming([batch]));
    expect(await opened.stock.store.listUploads()).toMatchObject([{ id, isOpen: true }]);
    await vi.advanceTimersByTimeAsync(30_000);
    vi.useRealTimers();
    await expect.poll(() => opened.stock.store.listUploads()).toMatchObject([{ id, isOpen: false }]);
    const rest = batches.length > 0 ? [second] : [bytes];
    await uploads.finish(id, target, incoming(rest));
    expect(await opened.stock.store.verify(digest)).toBe('intact');
  });

  test('keeps its repository for an hour, and no longer', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
    later(3_500_000);
    expect(uploads.repositories).toEqual(new Set(['local/app']));
    later(200_000);
    expect(uploads.repositories).toEqual(new Set());
    const { bytes: endless, stalls } = stalling(first);
    const appending = uploads.append(id, OWNER, endless);
    await stalls;
    later(7_200_000);
    expect(uploads.repositories).toEqual(new Set(['local/app']));
    await Promise.allSettled([appending, uploads.cancel(id, OWNER)]);
  });
});

describe('an upload that the store cannot make content', () => {
  test('can be finished when the disk works again', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const inTheWay = join(opened.stock.path, 'blobs', 'sha256');
    await writeFile(inTheWay, 'no folder');
    const { id } = await uploads.start(OWNER);
    for (const batches of [[bytes], []]) {
      const finishing = uploads.finish(id, target, incoming(batches));
      await expect(finishing).rejects.toMatchObject({ cause: { cause: { code: 'EEXIST' } } });
      expect(uploads.status(id, OWNER)).toEqual({ id, sizeBytes: bytes.length });
      expect(await opened.stock.store.listUploads()).toMatchObject([{ id, isOpen: false }]);
    }
    await rm(inTheWay);
    await uploads.finish(id, target, undefined);
    expect(await opened.stock.store.verify(digest)).toBe('intact');
    expect((await opened.stock.space.budget.read()).inFlightBytes).toBe(0);
  });

  test('is unknown afterwards when its bytes are gone', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    await writeFile(join(opened.stock.path, 'blobs', 'sha256'), 'no folder');
    const { id } = await uploads.start(OWNER);
    const finishing = uploads.finish(id, target, incoming([bytes]));
    await expect(finishing).rejects.toMatchObject({ cause: { cause: { code: 'EEXIST' } } });
    await rm(join(opened.stock.path, 'uploads'), { recursive: true });
    const again = uploads.finish(id, target, undefined);
    await expect(again).rejects.toMatchObject({ code: 'UPLOAD_UNKNOWN' });
    expect(() => uploads.status(id, OWNER)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
    expect((await opened.stock.space.budget.read()).inFlightBytes).toBe(0);
  });
});

describe('an index that refuses a blob', () => {
  test('leaves no file behind', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    vi.spyOn(opened.stock.index, 'pushBlob').mockRejectedValueOnce(new Error('refused'));
    const { id } = await uploads.start(OWNER);
    await expect(uploads.finish(id, target, incoming([bytes]))).rejects.toThrow('refused');
    expect(await opened.stock.files()).toEqual(new Set());
    expect(() => uploads.status(id, OWNER)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
    await uploads.pushWhole(target, 'sha256', incoming([bytes]));
    expect(await opened.stock.store.verify(digest)).toBe('intact');
  });

  test.each([
    ['is whole', bytes.length],
    ['was cut off', 10],
  ])('costs no other repository its file, if that %s', async (_, sizeBytes) => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    await uploads.pushWhole(target, 'sha256', incoming([bytes]));
    await truncate(storedFile(opened.stock, digest), sizeBytes);
    vi.spyOn(opened.stock.index, 'pushBlob').mockRejectedValueOnce(new Error('refused'));
    const elsewhere = { ...target, owner: { ...OWNER, repository: 'local/two' } };
    await expect(uploads.pushWhole(elsewhere, 'sha256', incoming([bytes]))).rejects.toThrow('refused');
    expect(await opened.stock.store.verify(digest)).toBe('intact');
  });
});

describe('an upload that somebody writes to', () => {
  test('is thrown away when it is cancelled while its bytes are written', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    let cancelling: Promise<void> | undefined;
    vi.spyOn(opened.stock.telemetry, 'uploadReceived').mockImplementation(() => {
      cancelling = uploads.cancel(id, OWNER);
    });
    const appending = uploads.append(id, OWNER, stalling(first).bytes);
    await expect(appending).rejects.toMatchObject({ code: 'UPLOAD_UNKNOWN' });
    await cancelling;
    expect(await opened.stock.store.listUploads()).toEqual([]);
  });

  test('is thrown away when it is cancelled, whatever its client does', async () => {
    await using opened = await openPushes();
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    const { bytes: endless, stalls } = stalling(first);
    const appending = uploads.append(id, OWNER, endless);
    await stalls;
    expect(uploads.status(id, OWNER).sizeBytes).toBe(100_000);
    const [outcome] = await Promise.allSettled([appending, uploads.cancel(id, OWNER)]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UPLOAD_UNKNOWN' } });
    expect(await opened.stock.store.listUploads()).toEqual([]);
    expect((await opened.stock.space.budget.read()).inFlightBytes).toBe(0);
  });

  test('is nobody else’s to write to, and does not expire', async () => {
    await using opened = await openPushes({ expireMs: -1 });
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    const { bytes: endless, stalls } = stalling(first);
    const appending = uploads.append(id, OWNER, endless);
    await stalls;
    await expect(uploads.append(id, OWNER, incoming([second]))).rejects.toMatchObject({ code: 'UPLOAD_BUSY' });
    expect(await uploads.expire()).toBe(0);
    expect(uploads.status(id, OWNER).sizeBytes).toBe(100_000);
    await Promise.allSettled([appending, uploads.cancel(id, OWNER)]);
  });
});

test('uploads expire that nobody has worked on for too long', async () => {
  await using opened = await openPushes({ expireMs: -1 });
  const { uploads } = opened.pushes;
  const { id } = await uploads.start(OWNER);
  await uploads.append(id, OWNER, incoming([first]));
  expect(await uploads.expire()).toBe(1);
  expect(() => uploads.status(id, OWNER)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
  expect(await opened.stock.store.listUploads()).toEqual([]);
  expect((await opened.stock.space.budget.read()).inFlightBytes).toBe(0);
});

test('an upload does not expire whose client comes back while others expire', async () => {
  await using opened = await openPushes({ expireMs: -1 });
  for (let count = 0; count < 2; count += 1) await opened.pushes.uploads.start(OWNER);
  const { uploads } = await opened.reopen();
  const { store } = opened.stock;
  const ids = (await store.listUploads()).map(({ id }) => id);
  const { bytes: endless, stalls } = stalling(first);
  let appending: Promise<unknown> | undefined;
  const discard = store.discardUpload.bind(store);
  vi.spyOn(store, 'discardUpload').mockImplementation(async (id) => {
    const other = ids.find((each) => each !== id) ?? '';
    appending ??= uploads.append(other, OWNER, endless);
    await discard(id);
  });
  expect(await uploads.expire()).toBe(1);
  await stalls;
  const [left] = await store.listUploads();
  expect(uploads.status(left?.id ?? '', OWNER).sizeBytes).toBe(100_000);
  await Promise.allSettled([appending, uploads.cancel(left?.id ?? '', OWNER)]);
});

test('nobody has more than a thousand uploads, and others have theirs', async () => {
  await using opened = await openPushes();
  const { uploads } = opened.pushes;
  const ids: string[] = [];
  for (let count = 0; count < 1000; count += 1) ids.push((await uploads.start(OWNER)).id);
  await expect(uploads.start(OWNER)).rejects.toMatchObject({ code: 'TOO_MANY_UPLOADS' });
  await uploads.start({ ...OWNER, principal: 'dave' });
  await uploads.cancel(ids[0] ?? '', OWNER);
  await uploads.start(OWNER);
}, 60_000);

test('of too many uploads that nobody has come back to for an hour the longest left one makes way', async () => {
  await using opened = await openPushes();
  const { uploads } = opened.pushes;
  const ids: string[] = [];
  for (let count = 0; count < 1000; count += 1) ids.push((await uploads.start(OWNER)).id);
  const [known = '', left = ''] = ids;
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_700_000 });
  await uploads.append(known, OWNER, incoming([bytes]));
  const { id } = await uploads.start(OWNER);
  expect(uploads.status(id, OWNER).sizeBytes).toBe(0);
  expect(uploads.status(known, OWNER).sizeBytes).toBe(bytes.length);
  expect(() => uploads.status(left, OWNER)).toThrow(expect.objectContaining({ code: 'UPLOAD_UNKNOWN' }));
  expect(await opened.stock.store.listUploads()).toHaveLength(1000);
}, 60_000);

describe('space', () => {
  test('is promised before it is used, and given back with the upload', async () => {
    await using opened = await openPushes({ limits: { quotaBytes: 16 * MIB } });
    const { uploads } = opened.pushes;
    const { budget } = opened.stock.space;
    const { id } = await uploads.start(OWNER);
    const tooMuch = uploads.append(id, OWNER, incoming([first], { sizeBytes: 20 * MIB }));
    await expect(tooMuch).rejects.toMatchObject({ code: 'NO_ROOM' });
    expect(uploads.status(id, OWNER).sizeBytes).toBe(0);
    const { bytes: endless, stalls } = stalling(first);
    const appending = uploads.append(id, OWNER, endless);
    await stalls;
    expect((await budget.read()).unwrittenBytes).toBeGreaterThan(0);
    await Promise.allSettled([appending, uploads.cancel(id, OWNER)]);
    expect((await budget.read()).inFlightBytes).toBe(0);
  });

  test('that is not there ends an upload of unknown size when it comes to its end, and what has come stays', async () => {
    await using opened = await openPushes({ limits: { quotaBytes: 8 * MIB } });
    const { uploads } = opened.pushes;
    const { id } = await uploads.start(OWNER);
    const endless = { sizeBytes: undefined, range: undefined, next: async () => [seededBytes(MIB, 'again')] };
    await expect(uploads.append(id, OWNER, endless)).rejects.toMatchObject({ code: 'NO_ROOM' });
    const { sizeBytes } = uploads.status(id, OWNER);
    expect(sizeBytes).toBeGreaterThanOrEqual(4 * MIB);
    expect(sizeBytes).toBeLessThan(8 * MIB);
    expect(usedBytes(await opened.stock.space.budget.read())).toBeLessThanOrEqual(8 * MIB);
    await uploads.cancel(id, OWNER);
    await uploads.pushWhole(target, 'sha256', incoming([bytes]));
  });
});
