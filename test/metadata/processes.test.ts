import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openSqliteFile } from './support/open-sqlite-index.ts';
import { digest } from './support/rows.ts';

const SCRIPT = fileURLToPath(new URL('./support/hold-index.ts', import.meta.url));
const MANY = 1_000_000;

function hold(file: string, count: number, ready: RegExp) {
  return startProcess(process.execPath, [SCRIPT, file, String(count)], { ready: ({ output }) => ready.test(output) });
}

test.concurrent('an index that another process has open is INDEX_IN_USE, until that process ends', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  await using holder = await hold(file, 1, /^committed 0$/m);
  expect(() => openSqliteFile(file)).toThrow(expect.objectContaining({ code: 'INDEX_IN_USE' }));
  await holder.kill();
  await using index = openSqliteFile(file);
  expect(await index.listTags('docker.io/library/app')).toEqual(['latest', 't0']);
});

test.concurrent('what was committed is there after kill -9, all of it', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  await using writer = await hold(file, MANY, /^committed 40$/m);
  await writer.kill();
  const last = Number([...writer.output.matchAll(/^committed (\d+)\n/gm)].at(-1)?.[1]);
  await using index = openSqliteFile(file);
  for (let number = 0; number <= last; number += 1) {
    expect(await index.findTag('docker.io/library/app', `t${number}`)).toMatchObject({ digest: digest(`m${number}`) });
    expect(await index.findBlob('a/b', digest(`b${number}`))).toMatchObject({ isStored: true, belongs: true });
  }
  // What was under way when the signal came is there as a whole or not at all.
  const tags = await index.listTags('docker.io/library/app');
  const latest = await index.findTag('docker.io/library/app', 'latest');
  expect(latest?.digest).toBe(digest(`m${tags.length - 2}`));
  const { blobs } = await index.countBlobs();
  expect([2 * last + 2, 2 * last + 3, 2 * last + 4]).toContain(blobs);
});
