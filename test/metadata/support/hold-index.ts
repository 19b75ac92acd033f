import { setTimeout as sleep } from 'node:timers/promises';
import { SqliteIndex } from '../../../src/metadata/sqlite/sqlite-index.ts';
import { digest, manifest } from './rows.ts';

/** `node hold-index.ts FILE COUNT`: opens the index, commits so many tags, telling of each, and goes on to hold it. */
const [, , file = '', count = '0'] = process.argv;

const index = new SqliteIndex(file, { onFlushError: (error) => console.error(error) });
process.stdout.write('open\n');
for (let number = 0; number < Number(count); number += 1) {
  await index.putManifest(manifest(`m${number}`, { tags: [`t${number}`, 'latest'], sizeBytes: number }));
  await index.putBlob({ digest: digest(`b${number}`), sizeBytes: number, repositories: ['a/b'], atMs: number });
  process.stdout.write(`committed ${number}\n`);
}
await sleep(60_000);
