import { DiskStore } from '../../../src/content/disk/disk-store.ts';

/** `node start-many.ts FOLDER`: starts one upload after the other until it is killed, and tells their ids. */
const [, , folder = ''] = process.argv;

const store = await DiskStore.open(folder);
for (let count = 0; ; count += 1) {
  const upload = await store.startUpload(`local/${count}`);
  await upload.append([Buffer.from('something')]);
  await upload[Symbol.asyncDispose]();
  process.stdout.write(`${upload.id}\n`);
  // Ends come as often as beginnings.
  if (count % 3 === 0) await store.discardUpload((await store.startUpload('local/gone')).id).catch(() => undefined);
}
