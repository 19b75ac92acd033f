import { expect, test } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { storedDigests } from '../faults/support/stored-files.ts';
import { expectManifest } from './support/expect.ts';
import { CONFIG, LAYER, MANIFEST } from './support/manifests.ts';
import { bytesOf, closing, locationOf, pushBlob, pushManifest } from './support/push.ts';
import { type Client, send } from './support/send.ts';
import { at, setStage } from './support/stage.ts';

const stage = setStage();
/** It waits for the disk a hundred times. */
const SLOW = { timeout: 60_000 };
const BASE = Array.from({ length: 3 }, (_, n) => seededBytes(200_000, `base ${n}`));

/** Pushes as clients do: asks for each blob first, all at once, and sends those that are not there. */
async function pushLikeDocker(client: Client, blobs: readonly Uint8Array[]): Promise<void> {
  await Promise.all(
    blobs.map(async (bytes) => {
      const digest = sha256(bytes);
      if ((await send(client, 'HEAD', `blobs/${digest}`)).status === 200) return;
      const mounting = await send(client, 'POST', `blobs/uploads/?mount=${digest}&from=local/base`);
      if (mounting.status === 201) return;
      const location = locationOf(await send(client, 'PATCH', locationOf(mounting, 202), { body: bytes }), 202);
      locationOf(await send(client, 'PUT', closing(location, digest)), 201);
    }),
  );
}

test(
  'twenty pushes at once of images that share layers all succeed, and each content is on the disk once',
  SLOW,
  async () => {
    const base = at(stage.client(), 'local/base');
    await pushBlob(base, BASE[0] ?? Buffer.alloc(0));
    const digests = new Set(BASE.map(sha256));
    const describe = (bytes: Uint8Array, mediaType: string) => {
      digests.add(sha256(bytes));
      return { mediaType, digest: sha256(bytes), size: bytes.length };
    };
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        // Five repositories, four pushes to each.
        const client = at(base, `local/team-${n % 5}/app`);
        const config = Buffer.from(JSON.stringify({ n, rootfs: {} }));
        await pushLikeDocker(client, [...BASE, config]);
        const layers = BASE.map((bytes) => describe(bytes, LAYER));
        const manifest = { schemaVersion: 2, mediaType: MANIFEST, config: describe(config, CONFIG), layers };
        digests.add(sha256(bytesOf(manifest)));
        await pushManifest(client, `v${n}`, manifest);
        await expectManifest(client, manifest, MANIFEST, `v${n}`);
      }),
    );
    const stored = await storedDigests(stage.server);
    expect(stored).toEqual(stored.filter((digest) => digests.has(digest)));
    expect(new Set(stored).size).toBe(stored.length);
    for (let team = 0; team < 5; team += 1) {
      for (const bytes of BASE) {
        const head = await send(at(base, `local/team-${team}/app`), 'HEAD', `blobs/${sha256(bytes)}`);
        expect(head.headers['content-length']).toBe(String(bytes.length));
      }
    }
  },
);
