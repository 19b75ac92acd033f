import { describe, expect, test } from 'vitest';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { OCI_INDEX } from '../../../src/oci/media-types.ts';
import { CAUSE, openPushes, type TestPushes } from './support/open-pushes.ts';

const APP = { registry: 'local', path: 'app', name: 'local/app' };
const RULES = [{ repositories: ['local/app'], immutable: ['v*'] }];
const REFUSAL = expect.objectContaining({ code: 'TAG_IMMUTABLE' });

/** Puts an index of these into the repository. */
async function addIndex({ stock }: TestPushes, children: readonly Digest[], tags: readonly string[]): Promise<Digest> {
  const manifests = children.map((digest) => ({ mediaType: OCI_INDEX, digest, size: 1 }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  const digest = digestOf(bytes);
  await stock.store.put(digest, bytes);
  await stock.index.putManifest({
    repository: APP.name,
    digest,
    mediaType: OCI_INDEX,
    sizeBytes: bytes.length,
    artifactType: undefined,
    references: children.map((child) => ({ role: 'manifest', digest: child, sizeBytes: 1, mediaType: OCI_INDEX })),
    tags,
    atMs: 1,
  });
  return digest;
}

describe('deleting a manifest, where some tags are immutable,', () => {
  test('is refused when one of them points at it, whatever other tags do', async () => {
    await using opened = await openPushes({ rules: RULES });
    const digest = await opened.stock.addImage('image', { repository: APP.name, tags: ['latest', 'v1'] });
    await expect(opened.pushes.deletion.manifest(APP, digest, CAUSE)).rejects.toEqual(REFUSAL);
    expect(await opened.stock.index.listTags(APP.name)).toEqual(['latest', 'v1']);
  });

  test.each([[[]], [['latest']]])(
    'is refused when an index of an index has it, with tags %j of its own',
    async (tags) => {
      await using opened = await openPushes({ rules: RULES });
      const digest = await opened.stock.addImage('image', { repository: APP.name, tags });
      const inner = await addIndex(opened, [digest], []);
      await addIndex(opened, [inner], ['v1']);
      await expect(opened.pushes.deletion.manifest(APP, digest, CAUSE)).rejects.toEqual(REFUSAL);
      await expect(opened.pushes.deletion.manifest(APP, inner, CAUSE)).rejects.toEqual(REFUSAL);
    },
  );

  test.each([[[]], [['latest']]])('is done for others, with tags %j', async (tags) => {
    await using opened = await openPushes({ rules: RULES });
    await opened.stock.addImage('kept', { repository: APP.name, tags: ['v1'] });
    const child = await opened.stock.addImage('child', { repository: APP.name, tags: [] });
    await addIndex(opened, [child], ['v2']);
    const digest = await opened.stock.addImage('image', { repository: APP.name, tags });
    await opened.pushes.deletion.manifest(APP, digest, CAUSE);
    expect(await opened.stock.index.listTags(APP.name)).toEqual(['v1', 'v2']);
    expect(await opened.stock.index.findManifest(APP.name, digest)).toBe(undefined);
  });

  test('reads no images, only indexes', async () => {
    await using opened = await openPushes({ rules: RULES });
    // Bytes that are no manifest at all: parsing them would fail.
    await opened.stock.addImage('kept', { repository: APP.name, tags: ['v1'] });
    const child = await opened.stock.addImage('child', { repository: APP.name, tags: [] });
    await addIndex(opened, [child], []);
    await opened.pushes.deletion.manifest(APP, child, CAUSE);
    expect(await opened.stock.index.findManifest(APP.name, child)).toBe(undefined);
  });
});
