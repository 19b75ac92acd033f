import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GarbageReport, VerifyReport } from '../../../src/registry/operations/operations.ts';
import { PASSWORD } from '../../support/hosted.ts';
import { expectAgreement } from '../life/support/index-and-disk.ts';
import { containersTools } from '../support/containers-tools.ts';
import { diskUsage } from '../support/disk-usage.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { digestsOf, imagesOfEachKind, imagesOverOneBase } from '../support/runnable-images.ts';
import { digestsInFolder, writeImageFolder } from './support/image-folder.ts';
import { passAnHour } from './support/pass-an-hour.ts';
import { pullWhole } from './support/pull-whole.ts';
import { type Registry, startRegistry } from './support/registry.ts';
import { waysOf } from './support/ways-of.ts';

const MIB = 1024 * 1024;
const COPY = ['copy', '--all', '--preserve-digests'];

test('skopeo copies images and indexes to the registry and back, byte for byte, and sends nothing twice', async () => {
  await using registry = await startRegistry();
  await using tools = await containersTools({ [registry.host]: registry.host });
  await tools.login(registry.host, 'ci', PASSWORD);
  for (const [tag, image] of Object.entries(imagesOfEachKind('skopeo'))) {
    const app = `docker://${registry.host}/local/app:${tag}`;
    const other = `docker://${registry.host}/local/team/other:${tag}`;
    const folder = tools.path(tag);
    await writeImageFolder(folder, image);
    await tools.skopeo(...COPY, `dir:${folder}`, app);
    expect(await pullWhole(registry.client('local/app'), image.root.digest)).toEqual(digestsOf(image));
    expect(await tools.skopeo('inspect', '--raw', app)).toBe(image.root.bytes.toString());

    await registry.takeRequests();
    await tools.skopeo(...COPY, `dir:${folder}`, app);
    const again = waysOf(await registry.takeRequests());
    expect(again.difference(new Set(['HEAD blob 200', 'PUT manifest 201', 'GET manifest 200'])), tag).toEqual(
      new Set(),
    );

    const before = await registry.pushedBytes();
    await tools.skopeo(...COPY, app, other);
    expect((await registry.pushedBytes()) - before, `${tag}: manifests and configs`).toBeLessThan(10_000);

    await tools.skopeo(...COPY, other, `dir:${tools.path(`${tag}-back`)}`);
    expect(await digestsInFolder(tools.path(`${tag}-back`))).toEqual(digestsOf(image));
  }
  const listed = await tools.skopeo('list-tags', `docker://${registry.host}/local/team/other`);
  expect(JSON.parse(listed)).toMatchObject({ Tags: ['docker', 'index', 'list', 'oci'] });
});

test('what skopeo deletes is gone at once, and gc frees the disk of it when an hour has passed', async () => {
  await using registry = await startRegistry();
  await using tools = await containersTools({ [registry.host]: registry.host });
  await tools.login(registry.host, 'ci', PASSWORD);
  const images = imagesOverOneBase(['one', 'two'], { baseBytes: 6 * MIB, ownBytes: 3 * MIB });
  const nameOf = (tag: string) => `docker://${registry.host}/local/app:${tag}`;
  for (const [tag, image] of Object.entries(images)) {
    await writeImageFolder(tools.path(tag), image);
    await tools.skopeo(...COPY, `dir:${tools.path(tag)}`, nameOf(tag));
  }
  const usedBytes = () => diskUsage(join(registry.path, 'blobs')).bytes;
  const full = usedBytes();

  await tools.login(registry.host, 'rita', PASSWORD);
  await expect(tools.skopeo('delete', nameOf('one'))).rejects.toThrow(/rita.* may not delete .*403 Forbidden/);
  await tools.login(registry.host, 'ci', PASSWORD);
  await tools.skopeo('delete', nameOf('one'));
  await expect(tools.skopeo('inspect', '--raw', nameOf('one'))).rejects.toThrow('manifest unknown');
  const two = images['two'];
  expect(await pullWhole(registry.client('local/app'), 'two')).toEqual(two && digestsOf(two));

  expect(await collectAfterAnHour(registry)).toMatchObject({ looseBlobs: 2 });
  const half = usedBytes();
  expect(full - half).toBeGreaterThan(3 * MIB);
  expect(full - half).toBeLessThan(4 * MIB);
  expect(await pullWhole(registry.client('local/app'), 'two')).toEqual(two && digestsOf(two));
  expect(await runJsonCommand<VerifyReport>(registry.adminUrl, 'verify', '--all')).toMatchObject({
    damaged: [],
    missing: [],
  });

  await tools.skopeo('delete', nameOf('two'));
  expect(await collectAfterAnHour(registry)).toMatchObject({ looseBlobs: 3 });
  expect(usedBytes(), 'folders').toBeLessThan(MIB);
  await registry.stop();
  expectAgreement(registry.path);
});

/** What is younger than an hour may be part of a push that is under way: it stays. */
async function collectAfterAnHour(registry: Registry): Promise<GarbageReport> {
  expect(await runJsonCommand<GarbageReport>(registry.adminUrl, 'gc')).toMatchObject({ looseBlobs: 0 });
  await registry.stop();
  passAnHour(registry.path);
  await registry.start();
  return runJsonCommand<GarbageReport>(registry.adminUrl, 'gc');
}
