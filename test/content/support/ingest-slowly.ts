import { setTimeout as sleep } from 'node:timers/promises';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/bytes.ts';

/**
 * `node ingest-slowly.ts FOLDER SIZE SEED PAUSE_MS [PASS_FROM]`: takes content in until it is killed, and tells how far
 * it is. From PASS_FROM on it keeps nothing.
 */
const [, , folder = '', size = '', seed = '', pauseMs = '', passFrom = size] = process.argv;
const PIECE_BYTES = 256 * 1024;

const bytes = seededBytes(Number(size), seed);
const store = await DiskStore.open(folder);
const ingest = await store.ingest(digestOf(bytes));
ingest.describe(bytes.length, 'docker.io/library/app');
for (let position = ingest.have.endFrom(0); position < bytes.length; position += PIECE_BYTES) {
  const chunks = [bytes.subarray(position, position + PIECE_BYTES)];
  if (position < Number(passFrom)) await ingest.write(chunks, position);
  else ingest.pass(chunks, position);
  process.stdout.write(`${Date.now()} ${ingest.have.endFrom(0)}\n`);
  await sleep(Number(pauseMs));
}
process.stdout.write('all\n');
await sleep(60_000);
