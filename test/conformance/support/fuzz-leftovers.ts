import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { type DigestAlgorithm, digestOf } from '../../support/bytes.ts';
import type { TestHosted } from '../../support/hosted.ts';
import type { VerifyReport } from '../../../src/registry/operations/operations.ts';
import { administer, statusOf } from '../../faults/support/operator.ts';
import { fileOf, storedDigests } from '../../faults/support/stored-files.ts';
import type { OpenedUpload } from './fuzz-world.ts';
import { type Client, jsonOf, send } from './send.ts';

/** All that may lie in a data directory. */
const KNOWN_FILES = [
  /^blobs\/(sha256\/[0-9a-f]{2}\/[0-9a-f]{64}|sha512\/[0-9a-f]{2}\/[0-9a-f]{128})$/,
  /^uploads\/[0-9a-f]{32}\.(data|json)$/,
  /^ingest\/sha(256|512):[0-9a-f]+\.(part|json)$/,
  /^index\.sqlite(-wal|-shm|-journal)?$/,
  /^[\w-]+\.(key|pem|json|jwk|lock)$/,
];

/** Files below a folder, as relative paths. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ name, parentPath }) => relative(folder, join(parentPath, name)))
    .toSorted();
}

/** Nothing lies outside the data directory that was not there at first, and nothing inside that is of no kind we know. */
export async function expectNoStrayFiles(server: TestHosted, atFirst: readonly string[]): Promise<void> {
  const inside = relative(server.root, server.path);
  const outside = (await filesBelow(server.root)).filter((file) => !file.startsWith(`${inside}/`));
  expect(outside).toEqual(atFirst);
  const unknown = (await filesBelow(server.path)).filter((file) => !KNOWN_FILES.some((known) => known.test(file)));
  expect(unknown).toEqual([]);
}

/** What lies in `uploads/` are the sessions that their owners still find. */
export async function expectUploadsFound(server: TestHosted, uploads: Iterable<OpenedUpload>): Promise<void> {
  const found = new Set<string>();
  for (const { location, user } of uploads) {
    const client = { url: server.url, user: user === '' ? undefined : user, repository: '' };
    const { status } = await send(client, 'GET', location);
    expect([204, 404], location).toContain(status);
    if (status === 204) found.add(location.split('/').at(-1)?.split('?')[0] ?? '');
  }
  const files = (await filesBelow(server.path)).filter((file) => file.startsWith('uploads/'));
  const expected = [...found].flatMap((id) => [`uploads/${id}.data`, `uploads/${id}.json`]);
  expect(files).toEqual(expected.toSorted());
}

/** Every stored file hashes to its name and is in the index, and the other way round. */
export async function expectStoreWhole(server: TestHosted): Promise<void> {
  const stored = await storedDigests(server);
  for (const digest of stored) {
    const bytes = await readFile(fileOf(server, digest));
    expect(digestOf(bytes, digest.split(':')[0] as DigestAlgorithm)).toBe(digest);
  }
  expect((await statusOf(server)).disk.blobs).toBe(stored.length);
  const report = await administer<VerifyReport>(server, 'POST', '/verify', {});
  expect(report).toMatchObject({ damaged: [], missing: [] });
}

/** Every repository is listed, and every tag of it can be pulled. @returns how many tags there are */
export async function expectTagsPullable(client: Client, repositories: readonly string[]): Promise<number> {
  const catalog = jsonOf(await send(client, 'GET', '/v2/_catalog?n=1000'))['repositories'] as string[];
  let count = 0;
  for (const repository of repositories) {
    const list = await send(client, 'GET', `/v2/${repository}/tags/list?n=1000`);
    if (list.status === 404) continue;
    const { tags } = jsonOf(list) as { tags: string[] };
    // The tags of an upstream's are also those that were never pulled.
    const isHosted = !repository.startsWith('library/');
    if (isHosted && tags.length > 0) expect(catalog).toContain(repository);
    for (const tag of tags) {
      expect((await send(client, 'GET', `/v2/${repository}/manifests/${tag}`)).status).toBe(200);
      count += 1;
    }
  }
  return count;
}
