import { readdir } from 'node:fs/promises';
import { ContentError } from '../../../src/content/content-error.ts';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { Layout } from '../../../src/content/disk/layout.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/bytes.ts';

/** `node store-one.ts FOLDER SIZE`: tries to store content in each way, and tells as JSON how that went. */
const [, , folder = '', size = ''] = process.argv;

const bytes = seededBytes(Number(size), 'one');
await using store = await DiskStore.open(folder);
const put = await outcomeOf(() => store.put(digestOf(bytes), bytes));
const left = await readdir(new Layout(folder).ingests);
await using ingest = await store.ingest(digestOf(bytes));
const write = await outcomeOf(() => ingest.write([bytes], 0));
ingest.pass([bytes], 0);
const isRight = await ingest.verify();
await using upload = await store.startUpload('local/app');
const append = await outcomeOf(() => upload.append([bytes]));
process.stdout.write(`${JSON.stringify({ put, left, write, isRight, append, arrivedBytes: upload.sizeBytes })}\n`);

async function outcomeOf(act: () => Promise<void>): Promise<string> {
  try {
    await act();
    return 'done';
  } catch (error) {
    return error instanceof ContentError ? error.code : String(error);
  }
}
