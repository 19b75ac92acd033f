import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/bytes.ts';

/** `node store-many.ts FOLDER FROM`: stores one content after the other until it is killed, and tells their digests. */
const [, , folder = '', from = ''] = process.argv;

const store = await DiskStore.open(folder);
for (let seed = Number(from); ; seed += 1) {
  const bytes = seededBytes(200_000, seed);
  const digest = digestOf(bytes);
  if (seed % 3 === 0) {
    await store.put(digest, bytes);
  } else if (seed % 3 === 1) {
    await using upload = await store.startUpload('local/app');
    await upload.append([bytes.subarray(0, 150_000)]);
    await upload.append([bytes.subarray(150_000)]);
    if (await upload.verify(digest)) await upload.commit(digest);
  } else {
    await using ingest = await store.ingest(digest);
    ingest.describe(bytes.length, 'docker.io/library/app');
    await ingest.write([bytes.subarray(0, 150_000)], 0);
    await ingest.write([bytes.subarray(150_000)], 150_000);
    if (await ingest.verify()) await ingest.commit();
  }
  process.stdout.write(`${digest}\n`);
}
