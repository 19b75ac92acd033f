import { rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDigest, type Digest } from '../../../src/oci/digest.ts';
import { expectBlob, expectError } from '../../conformance/support/expect.ts';
import { imageManifest } from '../../conformance/support/manifests.ts';
import { bytesOf, pushBlob, pushManifest, putManifest } from '../../conformance/support/push.ts';
import { type Answer, type Client, jsonOf, send } from '../../conformance/support/send.ts';
import { seededBytes } from '../../support/bytes.ts';
import { startHosted, type TestHosted } from '../../support/hosted.ts';
import { storedFile } from './support/stored-file.ts';

let server: TestHosted;
beforeAll(async () => {
  server = await startHosted();
});
afterAll(async () => server[Symbol.asyncDispose]());

let used = 0;
/** In a repository of its own. */
function client(): Client {
  used += 1;
  return { url: server.registryUrl, user: 'ci', repository: `local/lost-${used}` };
}

function fileOf(digest: string): string {
  return storedFile(server, parseDigest(digest) as Digest);
}

/** No code of the distribution-spec is for this. */
function expectLost(answer: Answer): void {
  expect(answer.status).toBe(503);
  const message = expect.stringMatching(/lost here.*: push it again$/);
  expect(jsonOf(answer)).toEqual({ errors: [{ code: 'UNKNOWN', message }] });
}

const DAMAGE = {
  gone: (file: string) => rm(file),
  'cut off': (file: string) => truncate(file, 5),
  'other bytes': async (file: string) => {
    await writeFile(file, Buffer.alloc(1000, 'x'));
    // Within the clock ticks of its storing no change can be told by the time.
    const later = new Date(Date.now() + 60_000);
    await utimes(file, later, later);
  },
} as const;

describe.each(Object.entries(DAMAGE))('a blob that is %s', (name, damage) => {
  test('is never served, and told as lost, until it is pushed again', async () => {
    const who = client();
    const bytes = seededBytes(1000, `blob that is ${name}`);
    const digest = await pushBlob(who, bytes);
    await damage(fileOf(digest));
    const refused = await send(who, 'GET', `blobs/${digest}`);
    if (refused.status === 200) {
      // The damage may be noticed only while it is sent: then the connection breaks.
      expect(refused.whole).toBe(false);
    } else expectLost(refused);
    expectLost(await send(who, 'GET', `blobs/${digest}`));
    expect((await send(who, 'HEAD', `blobs/${digest}`)).status).toBe(404);
    await pushBlob(who, bytes);
    await expectBlob(who, bytes);
  });

  test('is told as missing to who pushes, before anybody has asked for it', async () => {
    const who = client();
    const bytes = seededBytes(1000, `other blob that is ${name}`);
    const digest = await pushBlob(who, bytes);
    await damage(fileOf(digest));
    expect((await send(who, 'HEAD', `blobs/${digest}`)).status).toBe(404);
    await pushBlob(who, bytes);
    await expectBlob(who, bytes);
  });
});

test('a blob that is gone is not mounted, but uploaded', async () => {
  const who = client();
  const digest = await pushBlob(who, seededBytes(1000, 'mounted'));
  await rm(fileOf(digest));
  const elsewhere = client();
  for (const query of [`?mount=${digest}&from=${who.repository}`, `?mount=${digest}`]) {
    expect((await send(elsewhere, 'POST', `blobs/uploads/${query}`)).status).toBe(202);
  }
});

describe.each(Object.entries(DAMAGE))('a manifest that is %s', (name, damage) => {
  test('is told as lost by tag and by digest, also after a restart, until it is pushed again', async () => {
    const who = client();
    const content = await imageManifest(who, name);
    const { digest } = await pushManifest(who, 'v1', content);
    // It is in memory until then.
    await server.restart();
    const again: Client = { ...who, url: server.registryUrl };
    await damage(fileOf(digest));
    for (const reference of ['v1', digest, 'v1']) {
      expectLost(await send(again, 'GET', `manifests/${reference}`));
    }
    expect((await send(again, 'HEAD', 'manifests/v1')).status).toBe(404);
    await server.restart();
    const last: Client = { ...who, url: server.registryUrl };
    expectLost(await send(last, 'GET', 'manifests/v1'));
    expectError(await send(last, 'GET', 'manifests/v2'), 404, 'MANIFEST_UNKNOWN');
    await putManifest(last, digest, content);
    expect((await send(last, 'GET', 'manifests/v1')).body).toEqual(bytesOf(content));
  });

  test('is told as missing to who asks by HEAD, before anybody has asked for it, until it is pushed again', async () => {
    const pushed = client();
    const content = await imageManifest(pushed, `HEAD of one that is ${name}`);
    const { digest } = await pushManifest(pushed, 'v1', content);
    await server.restart();
    const who: Client = { ...pushed, url: server.registryUrl };
    await damage(fileOf(digest));
    for (const reference of ['v1', digest, 'v1']) {
      expect((await send(who, 'HEAD', `manifests/${reference}`)).status).toBe(404);
    }
    expectLost(await send(who, 'GET', 'manifests/v1'));
    await putManifest(who, digest, content);
    for (const reference of ['v1', digest]) {
      expect((await send(who, 'HEAD', `manifests/${reference}`)).status).toBe(200);
    }
  });
});

test('a layer that lives elsewhere by design is unknown, not lost', async () => {
  const who = client();
  const content = await imageManifest(who);
  const foreign = {
    mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    digest: `sha256:${'ab'.repeat(32)}`,
    size: 1000,
  };
  await pushManifest(who, 'v1', { ...content, layers: [...content.layers, foreign] });
  expectError(await send(who, 'GET', `blobs/${foreign.digest}`), 404, 'BLOB_UNKNOWN');
});
