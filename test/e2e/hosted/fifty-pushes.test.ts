import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { VerifyReport } from '../../../src/registry/operations/operations.ts';
import { bytesOf, closing, locationOf, openUpload, pushManifest } from '../../conformance/support/push.ts';
import { type Client, send } from '../../conformance/support/send.ts';
import { seededBytes, sha256 } from '../../support/bytes.ts';
import { IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { storedDigests } from '../../faults/support/stored-files.ts';
import { expectAgreement } from '../life/support/index-and-disk.ts';
import { diskUsage } from '../support/disk-usage.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { pullWhole } from './support/pull-whole.ts';
import { startRegistry } from './support/registry.ts';

const MIB = 1024 * 1024;
const PUSHES = 50;
const { manifest: MANIFEST, config: CONFIG, layer: LAYER } = IMAGE_MEDIA_TYPES.oci;
/** What all images have in common. */
const BASE = [MIB, 700_000, 300_000, 4096].map((size, n) => seededBytes(size, `base ${n}`));

/** Asks first, as clients do, or not: then many send the same at the same time. */
async function pushLayer(client: Client, bytes: Buffer, asksFirst: boolean): Promise<void> {
  const digest = sha256(bytes);
  if (asksFirst && (await send(client, 'HEAD', `blobs/${digest}`)).status === 200) return;
  const location = await openUpload(client);
  const half = bytes.length >> 1;
  const first = await send(client, 'PATCH', location, { body: pieces(bytes.subarray(0, half)) });
  const end = closing(locationOf(first, 202), digest);
  locationOf(await send(client, 'PUT', end, { body: bytes.subarray(half) }), 201);
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

test('fifty clients push images that share layers at once: none fails, and each layer is on the disk once', async () => {
  await using registry = await startRegistry();
  const digests = new Set<string>();
  const describe = (bytes: Buffer, mediaType: string) => {
    digests.add(sha256(bytes));
    return { mediaType, digest: sha256(bytes), size: bytes.length };
  };
  let contentBytes = 0;
  await Promise.all(
    Array.from({ length: PUSHES }, async (_, n) => {
      const client = registry.client(`local/team-${n % 10}/app`);
      const own = seededBytes(50_000, `own ${n}`);
      const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: {}, n }));
      await Promise.all([...BASE, own, config].map((bytes) => pushLayer(client, bytes, n % 2 === 0)));
      const layers = [...BASE, own].map((bytes) => describe(bytes, LAYER));
      const content = { schemaVersion: 2, mediaType: MANIFEST, config: describe(config, CONFIG), layers };
      digests.add((await pushManifest(client, `v${n}`, content)).digest);
      contentBytes += own.length + config.length + bytesOf(content).length;
    }),
  );

  expect(await storedDigests(registry)).toEqual([...digests].toSorted());
  const { parts } = diskUsage(registry.path);
  contentBytes += BASE.reduce((sum, { length }) => sum + length, 0);
  const folders = 300;
  expect(parts['blobs']).toBeLessThan(contentBytes + (digests.size + folders) * 4096);
  for (let n = 0; n < PUSHES; n += 7) await pullWhole(registry.client(`local/team-${n % 10}/app`), `v${n}`);
  const report = await runJsonCommand<VerifyReport>(registry.adminUrl, 'verify', '--all');
  expect(report).toMatchObject({ damaged: [], missing: [] });
  await registry.stop();
  expect(readdirSync(join(registry.path, 'uploads')), 'no upload is left').toEqual([]);
  expectAgreement(registry.path);
});
