import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { PASSWORD } from '../../support/hosted.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { type ImageParts, imageOfLayers } from '../support/runnable-images.ts';
import { dockerArchive } from './support/docker-archive.ts';
import { pullWhole } from './support/pull-whole.ts';
import { type Registry, startRegistry } from './support/registry.ts';
import { waysOf } from './support/ways-of.ts';

const MIB = 1024 * 1024;

/** Gives the daemon an image under this name, without a registry. */
async function load(dockerd: Dockerd, name: string, image: ImageParts): Promise<void> {
  const file = dockerd.path('image.tar');
  await writeFile(file, dockerArchive(name, image));
  await dockerd.docker('load', '--input', file);
}

/** @returns the digest that docker tells */
async function push(dockerd: Dockerd, name: string): Promise<string> {
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(await dockerd.docker('push', name))?.[1];
  if (digest === undefined) throw new Error('docker told no digest');
  return digest;
}

async function pushedBy(registry: Registry, act: () => Promise<unknown>): Promise<number> {
  const before = await registry.pushedBytes();
  await act();
  return (await registry.pushedBytes()) - before;
}

test('docker pushes many layers at once, sends nothing twice, and pulls back what it pushed', async () => {
  await using registry = await startRegistry();
  await using dockerd = await startDockerd();
  const app = `${registry.host}/local/app:v1`;
  const other = `${registry.host}/local/team/other:v2`;
  // Eight, of which dockerd sends five at once.
  const image = imageOfLayers('pushed by docker', [4 * MIB, 3 * MIB, 2 * MIB, MIB, MIB, 10_000, 100]);
  await load(dockerd, app, image);
  await dockerd.login(registry.host, 'ci', PASSWORD);

  const digest = await push(dockerd, app);
  expect(waysOf(await registry.takeRequests())).toContain('PATCH upload 202');
  const parts = await pullWhole(registry.client('local/app'), digest);
  expect(parts).toHaveLength(10);

  await registry.takeRequests();
  await push(dockerd, app);
  expect(waysOf(await registry.takeRequests())).toEqual(new Set(['HEAD blob 200', 'PUT manifest 201']));

  await dockerd.docker('tag', app, other);
  const sentBytes = await pushedBy(registry, async () => expect(await push(dockerd, other)).toBe(digest));
  expect(sentBytes, 'a config and a manifest').toBeLessThan(10_000);
  const mounted = (await registry.takeRequests()).filter(({ method, status }) => method === 'POST' && status === 201);
  expect(mounted).toHaveLength(8);
  expect(await pullWhole(registry.client('local/team/other'), 'v2')).toEqual(parts);

  for (const name of [app, other]) {
    await dockerd.docker('image', 'prune', '--all', '--force');
    expect(await dockerd.docker('pull', name)).toContain(`Digest: ${digest}`);
    expect(await dockerd.docker('run', '--rm', '--network', 'none', name)).toBe(`${image.message}\n`);
  }
});

test('docker logs in with the right password only, pushes where its user may, and pulls what everyone may', async () => {
  await using registry = await startRegistry();
  await using dockerd = await startDockerd();
  const open = `${registry.host}/local/app:v1`;
  const secret = `${registry.host}/local/secret/app:v1`;
  await load(dockerd, open, imageOfLayers('for everyone', []));
  await dockerd.docker('tag', open, secret);

  await expect(dockerd.docker('push', open)).rejects.toThrow('denied: requested access to the resource is denied');
  await expect(dockerd.login(registry.host, 'ci', 'wrong')).rejects.toThrow('the user name or the password is wrong');
  await expect(dockerd.login(registry.host, 'nobody', PASSWORD)).rejects.toThrow('unauthorized');
  await dockerd.login(registry.host, 'rita', PASSWORD);
  await expect(dockerd.docker('push', open)).rejects.toThrow('denied: "rita" may not push "local/app"');
  expect(await registry.pushedBytes()).toBe(0);
  await dockerd.login(registry.host, 'dave', PASSWORD);
  await expect(dockerd.docker('push', secret)).rejects.toThrow('denied: "dave" may not push "local/secret/app"');
  await push(dockerd, open);
  await dockerd.login(registry.host, 'ci', PASSWORD);
  await push(dockerd, secret);

  await dockerd.docker('image', 'prune', '--all', '--force');
  await dockerd.docker('pull', secret);
  await dockerd.docker('logout', registry.host);
  await dockerd.docker('image', 'prune', '--all', '--force');
  await expect(dockerd.docker('pull', secret)).rejects.toThrow('pull access denied');
  await dockerd.docker('pull', open);
  expect(await dockerd.docker('run', '--rm', '--network', 'none', open)).toBe('for everyone\n');
});
