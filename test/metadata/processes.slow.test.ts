import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { startProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openSqliteFile } from './support/open-sqlite-index.ts';
import { digest, manifest } from './support/rows.ts';

const SCRIPT = fileURLToPath(new URL('./support/hold-index.ts', import.meta.url));
const MANY = 1_000_000;

function hold(file: string, count: number, ready: RegExp) {
  return startProcess(process.execPath, [SCRIPT, file, String(count)], { ready: ({ output }) => ready.test(output) });
}

test.concurrent('an index that another process has open is INDEX_IN_USE, until it is closed', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'index.sqlite');
  {
    await using index = openSqliteFile(file);
    await index.putManifest(manifest('m', { tags: ['v1'] }));
    await using refused = await startProcess(process.execPath, [SCRIPT, file, '0']);
    expect(await refused.exited).toMatchObject({ code: 1 });
    await vi.waitFor(() => expect(refused.output).toContain("code: 'INDEX_IN_USE'"));
    expect(await index.listTags('docker.io/library/app')).toEqual(['v1']);
  }
  await using next = await hold(file, 1, /^committed 0$/m);
  await next.kill();
  await using index = openSqliteFile(file);
  expect(await index.listTags('docker.io/library/app')).toEqual(['latest', 't0', 'v1']);
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
  const manifests = (await index.listTags('docker.io/library/app')).length - 1;
  const latest = await index.findTag('docker.io/library/app', 'latest');
  expect(latest?.digest).toBe(digest(`m${manifests - 1}`));
  expect(await index.findTag('docker.io/library/app', `t${manifests - 1}`)).toMatchObject({ sizeBytes: manifests - 1 });
  expect([2 * manifests - 1, 2 * manifests]).toContain((await index.usage()).blobs);
});
