import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { PASSWORD } from '../../support/hosted.ts';
import { type ContainersTools, containersTools } from '../support/containers-tools.ts';
import { imageOfLayers } from '../support/runnable-images.ts';
import { dockerArchive } from './support/docker-archive.ts';
import { pullWhole } from './support/pull-whole.ts';
import { startRegistry } from './support/registry.ts';
import { waysOf } from './support/ways-of.ts';

const MIB = 1024 * 1024;
const image = imageOfLayers('pushed by podman', [3 * MIB, 2 * MIB, MIB, 100]);

/** @returns the digest that podman tells */
async function push(tools: ContainersTools, name: string): Promise<string> {
  const file = tools.path('digest');
  await tools.podman('push', '--quiet', '--digestfile', file, name);
  return readFile(file, 'utf8');
}

test('podman logs in, pushes, sends nothing twice, and pulls back what it pushed', async () => {
  await using registry = await startRegistry();
  await using tools = await containersTools({ [registry.host]: registry.host });
  const app = `${registry.host}/local/app:v1`;
  const secret = `${registry.host}/local/secret/app:v1`;
  await writeFile(tools.path('image.tar'), dockerArchive(app, image));
  await tools.podman('load', '--quiet', '--input', tools.path('image.tar'));

  await expect(push(tools, app)).rejects.toThrow('without a login nobody may push');
  await expect(tools.login(registry.host, 'ci', 'wrong')).rejects.toThrow('invalid username/password');
  await tools.login(registry.host, 'rita', PASSWORD);
  await expect(push(tools, app)).rejects.toThrow('"rita" may not push "local/app"');
  expect(await registry.pushedBytes()).toBe(0);

  await tools.login(registry.host, 'ci', PASSWORD);
  const digest = await push(tools, app);
  const parts = await pullWhole(registry.client('local/app'), digest);
  expect(parts).toHaveLength(7);
  await registry.takeRequests();
  expect(await push(tools, app)).toBe(digest);
  // It asks for layers as they are unpacked, too.
  const known = new Set(['HEAD blob 200', 'HEAD blob 404', 'PUT manifest 201']);
  expect(waysOf(await registry.takeRequests()).difference(known)).toEqual(new Set());

  const before = await registry.pushedBytes();
  await tools.podman('tag', app, secret);
  expect(await push(tools, secret)).toBe(digest);
  expect(waysOf(await registry.takeRequests())).toContain('POST upload 201');
  expect((await registry.pushedBytes()) - before, 'a manifest and a config').toBeLessThan(10_000);
  expect(await pullWhole(registry.client('local/secret/app'), 'v1')).toEqual(parts);

  for (const name of [secret, app]) {
    await tools.podman('image', 'rm', '--all', '--force');
    await tools.podman('pull', '--quiet', name);
    expect((await tools.podman('image', 'inspect', '--format', '{{.Digest}}', name)).trim()).toBe(digest);
  }
  await tools.podman('image', 'rm', '--all', '--force');
  await tools.podman('logout', registry.host);
  await expect(tools.podman('pull', '--quiet', secret)).rejects.toThrow('without a login nobody may pull');
  await tools.podman('pull', '--quiet', app);
});
