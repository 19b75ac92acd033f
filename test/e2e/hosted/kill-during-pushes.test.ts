import { existsSync, readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { VerifyReport } from '../../../src/registry/operations/operations.ts';
import { PASSWORD } from '../../support/hosted.ts';
import { expectAgreement } from '../life/support/index-and-disk.ts';
import { containersTools } from '../support/containers-tools.ts';
import { startDockerd } from '../support/dockerd.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { digestsOf, imageOfLayers } from '../support/runnable-images.ts';
import { dockerArchive } from './support/docker-archive.ts';
import { writeImageFolder } from './support/image-folder.ts';
import { pullWhole } from './support/pull-whole.ts';
import { type Registry, startRegistry } from './support/registry.ts';

const MIB = 1024 * 1024;
const image = imageOfLayers('pushed in spite of all', [40 * MIB, 2 * MIB, 100]);

/** The sizes of the uploads that have begun and not ended, by file. */
function uploads(registry: Registry): Map<string, number> {
  const folder = join(registry.path, 'uploads');
  // The first upload makes it.
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return new Map(names.map((name) => [name, statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0]));
}

/** Kills the registry as soon as a new upload has so many bytes, and starts it again. @returns what became of the push */
async function killDuring(registry: Registry, push: () => Promise<unknown>, bytes: number): Promise<'done' | 'failed'> {
  const before = uploads(registry);
  const over = new AbortController();
  const outcome = push()
    .then(
      () => 'done' as const,
      () => 'failed' as const,
    )
    .finally(() => over.abort());
  const hasCome = () =>
    uploads(registry)
      .entries()
      .some(([name, size]) => !before.has(name) && size >= bytes);
  while (!over.signal.aborted && !hasCome()) await sleep(1);
  expect(over.signal.aborted, 'the push is not over so soon').toBe(false);
  await registry.kill();
  await registry.start();
  return outcome;
}

async function expectWhole(registry: Registry): Promise<void> {
  const report = await runJsonCommand<VerifyReport>(registry.adminUrl, 'verify', '--all');
  expect(report).toMatchObject({ damaged: [], missing: [] });
  await registry.stop();
  expectAgreement(registry.path);
}

test('kill -9 three times during pushes by skopeo: the next push goes through, and nothing is damaged', async () => {
  await using registry = await startRegistry();
  await using tools = await containersTools({ [registry.host]: registry.host });
  await writeImageFolder(tools.path('image'), image);
  await tools.login(registry.host, 'ci', PASSWORD);
  const push = () =>
    tools.skopeo('copy', '--preserve-digests', `dir:${tools.path('image')}`, `docker://${registry.host}/local/app:v1`);

  for (const bytes of [MIB, 4 * MIB, 12 * MIB]) expect(await killDuring(registry, push, bytes)).toBe('failed');
  await push();
  expect(await pullWhole(registry.client('local/app'), 'v1')).toEqual(digestsOf(image));
  await expectWhole(registry);
});

test('kill -9 during a push by docker: it tries again by itself, and what it pulls back is right', async () => {
  await using registry = await startRegistry();
  await using dockerd = await startDockerd();
  const app = `${registry.host}/local/app:v1`;
  await writeFile(dockerd.path('image.tar'), dockerArchive(app, image));
  await dockerd.docker('load', '--input', dockerd.path('image.tar'));
  await dockerd.login(registry.host, 'ci', PASSWORD);

  if ((await killDuring(registry, () => dockerd.docker('push', app), 8 * MIB)) === 'failed')
    await dockerd.docker('push', app);
  expect(await pullWhole(registry.client('local/app'), 'v1')).toHaveLength(6);
  await dockerd.docker('image', 'prune', '--all', '--force');
  await dockerd.docker('pull', app);
  expect(await dockerd.docker('run', '--rm', '--network', 'none', app)).toBe(`${image.message}\n`);
  await expectWhole(registry);
});
