import { expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { expectError } from './support/expect.ts';
import { pushBlob, pushManifest } from './support/push.ts';
import { digestOfManifest, OURS } from './support/replicas.ts';
import { send } from './support/send.ts';
import { asUser, at, atMirror, setStage } from './support/stage.ts';

const stage = setStage();
const STORED = { headers: { 'Cache-Control': 'only-if-cached' } };

test.each([
  ["nobody in particular, at the mirror's door", undefined],
  ["dave, at the mirror's door", 'dave'],
  ["dave, at the registry's door", 'dave'],
] as const)('who may not pull is not told what is in the store: %s', async (door, user) => {
  const ci = stage.client('local/secret');
  await pushManifest(ci, 'v1', OURS);
  const blob = await pushBlob(ci, seededBytes(500, 'a secret'));
  const bare = asUser(ci, user);
  const here = door.includes('mirror') ? atMirror(stage, bare) : bare;
  const nowhere = at(here, 'local/secret/not-there');
  const paths = ['manifests/v1', `manifests/${digestOfManifest(OURS)}`, `blobs/${blob}`, 'tags/list'];
  for (const path of [...paths, `referrers/${blob}`]) {
    expectError(await send(here, 'GET', path, STORED), 403, 'DENIED');
    expectError(await send(nowhere, 'GET', path, STORED), 403, 'DENIED');
    expect((await send(here, 'HEAD', path, STORED)).status).toBe(403);
  }
  expect((await send(ci, 'GET', `blobs/${blob}`, STORED)).status).toBe(200);
});

test('what another repository has is not there in one where it is not', async () => {
  const ci = stage.client();
  const blob = await pushBlob(ci, seededBytes(500, 'of one repository'));
  await pushManifest(ci, 'v1', OURS);
  const elsewhere = stage.client();
  for (const path of [`blobs/${blob}`, `manifests/${digestOfManifest(OURS)}`]) {
    expect((await send(ci, 'GET', path, STORED)).status).toBe(200);
    for (const method of ['GET', 'HEAD']) expect((await send(elsewhere, method, path, STORED)).status).toBe(504);
  }
});
