import { setTimeout as sleep } from 'node:timers/promises';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { seededBytes } from '../../support/bytes.ts';

/**
 * `node upload-slowly.ts FOLDER SIZE SEED PAUSE_MS [ID]`: takes an upload in until it is killed, and tells its id and how far
 * it is. With an id it goes on with that one.
 */
const [, , folder = '', size = '', seed = '', pauseMs = '', id] = process.argv;
const PIECE_BYTES = 256 * 1024;

const bytes = seededBytes(Number(size), seed);
const store = await DiskStore.open(folder);
const upload = id === undefined ? await store.startUpload('local/app') : await store.resumeUpload(id);
if (!upload) throw new Error(`there is no upload ${id}`);
while (upload.sizeBytes < bytes.length) {
  await upload.append([bytes.subarray(upload.sizeBytes, upload.sizeBytes + PIECE_BYTES)]);
  process.stdout.write(`${upload.id} ${upload.sizeBytes}\n`);
  await sleep(Number(pauseMs));
}
process.stdout.write('all\n');
await sleep(60_000);
