import { describe, expect, test } from 'vitest';
import type { Origin } from '../../../src/metadata/event-index.ts';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import type { PushedManifest } from '../../../src/registry/pushing/manifest-pushes.ts';
import { CAUSE, openPushes, type TestPushes } from './support/open-pushes.ts';

const APP = { registry: 'local', path: 'app', name: 'local/app' };
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
/** Of no content that is here. */
const ABSENT = digestOf(Buffer.from('absent'));

interface Sent {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly contentType: string;
}

/** An index of nothing, other bytes for each name. */
function indexOf(name: string): Sent {
  return sent({ mediaType: OCI_INDEX, manifests: [], annotations: { name } });
}

/** An image that has this as its config and its layer, of six bytes. */
function imageOf(digest: Digest): Sent {
  const descriptor = { mediaType: LAYER_TYPE, digest, size: 6 };
  return sent({ mediaType: OCI_MANIFEST, config: descriptor, layers: [descriptor] });
}

function sent(content: { readonly mediaType: string; readonly [key: string]: unknown }): Sent {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...content }));
  return { bytes, digest: digestOf(bytes), contentType: content.mediaType };
}

/** Pushes it as `v1`. @param origin undefined: it is a client's */
function put(
  { pushes }: TestPushes,
  { bytes, contentType }: Pick<Sent, 'bytes' | 'contentType'>,
  origin?: Origin,
  tags: readonly string[] = [],
): Promise<PushedManifest> {
  return pushes.manifests.put({
    repository: APP,
    reference: { kind: 'tag', tag: 'v1' },
    tags,
    bytes,
    contentType,
    cause: { ...CAUSE, ...(origin && { origin }) },
  });
}

/** A change at another site, so many minutes from now. */
function changeAt(minutes: number, base?: Digest): Origin {
  const clock = { ms: Date.now() + minutes * 60_000, count: 0 };
  return { site: 'us-east', sequence: 100 + minutes, clock, ...(base !== undefined && { base }) };
}

async function target({ stock }: TestPushes, tag = 'v1'): Promise<Digest | undefined> {
  return (await stock.index.findTag(APP.name, tag))?.digest;
}

/** Conflicts that were told. */
async function told({ stock }: TestPushes): Promise<number | undefined> {
  const metric = stock.telemetry.metrics.registry.getSingleMetric('entrepot_replication_conflicts_total');
  return (await metric?.get())?.values[0]?.value;
}

const [OURS, THEIRS] = [indexOf('ours'), indexOf('theirs')];

describe('a replica', () => {
  test('may lack content, which a push may not', async () => {
    await using opened = await openPushes();
    const sparse = imageOf(ABSENT);
    await expect(put(opened, sparse)).rejects.toMatchObject({ code: 'MANIFEST_BLOB_UNKNOWN' });
    expect(await put(opened, sparse, changeAt(0))).toMatchObject({ digest: sparse.digest, kept: [] });
    expect(await target(opened)).toBe(sparse.digest);
    await expect(put(opened, sparse)).rejects.toMatchObject({ code: 'MANIFEST_BLOB_UNKNOWN' });
  });

  test('is no more than a push may be otherwise', async () => {
    await using opened = await openPushes();
    const layer = await opened.stock.addBlob('a layer', [APP.name]);
    const wrong = put(opened, imageOf(layer), changeAt(0));
    await expect(wrong).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
    const nothing = put(opened, { bytes: Buffer.from('nothing'), contentType: OCI_MANIFEST }, changeAt(0));
    await expect(nothing).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  test('moves a tag that was changed earlier', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    expect((await put(opened, THEIRS, changeAt(1, OURS.digest))).kept).toEqual([]);
    expect(await target(opened)).toBe(THEIRS.digest);
    const event = (await opened.stock.index.readEvents(0, 100)).findLast(({ kind }) => kind === 'tag');
    expect(event).toMatchObject({ tag: 'v1', digest: THEIRS.digest, origin: { site: 'us-east', sequence: 101 } });
    expect(await told(opened)).toBe(0);
  });

  test('moves no tag that was changed later, and is kept by its digest', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    const { digest, kept } = await put(opened, THEIRS, changeAt(-60), ['v2']);
    expect(kept).toEqual([{ tag: 'v1', digest: OURS.digest }]);
    expect(await target(opened)).toBe(OURS.digest);
    expect(await target(opened, 'v2')).toBe(digest);
    expect(await opened.stock.index.findManifest(APP.name, digest)).toMatchObject({ digest });
  });

  test('brings no tag back that was deleted later', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    await opened.pushes.deletion.tag(APP, 'v1', CAUSE);
    expect((await put(opened, THEIRS, changeAt(-60))).kept).toEqual([{ tag: 'v1', digest: undefined }]);
    expect(await target(opened)).toBe(undefined);
    expect((await put(opened, THEIRS, changeAt(1))).kept).toEqual([]);
    expect(await target(opened)).toBe(THEIRS.digest);
  });

  test.each([
    ['moves it', 1, THEIRS.digest],
    ['does not move it', -60, OURS.digest],
  ])('of a tag that was changed at both sites %s, and is told once', async (_, minutes, digest) => {
    await using opened = await openPushes();
    await put(opened, OURS);
    const change = changeAt(minutes);
    await put(opened, THEIRS, change);
    expect(await target(opened)).toBe(digest);
    expect(await told(opened)).toBe(1);
    await put(opened, THEIRS, change);
    expect(await told(opened)).toBe(await opened.stock.index.countConflicts());
  });

  test('moves no tag that is immutable here', async () => {
    await using opened = await openPushes({ rules: [{ repositories: ['local/app'], immutable: ['v*'] }] });
    expect((await put(opened, OURS, changeAt(-60))).kept).toEqual([]);
    await expect(put(opened, THEIRS, changeAt(1, OURS.digest))).rejects.toMatchObject({ code: 'TAG_IMMUTABLE' });
    const deleting = opened.pushes.deletion.tag(APP, 'v1', { ...CAUSE, origin: changeAt(1) });
    await expect(deleting).rejects.toMatchObject({ code: 'TAG_IMMUTABLE' });
    expect(await target(opened)).toBe(OURS.digest);
  });
});

describe('a deletion at another site', () => {
  const deletion = (origin: Origin) => ({ ...CAUSE, origin });

  test('takes a tag that was set earlier', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    expect(await opened.pushes.deletion.tag(APP, 'v1', deletion(changeAt(1)))).toBe(undefined);
    expect(await target(opened)).toBe(undefined);
    const event = (await opened.stock.index.readEvents(0, 100)).at(-1);
    expect(event).toMatchObject({ kind: 'untag', tag: 'v1', origin: { site: 'us-east', sequence: 101 } });
  });

  test('leaves a tag that was set later, and says what it points at', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    const kept = await opened.pushes.deletion.tag(APP, 'v1', deletion(changeAt(-60)));
    expect(kept).toEqual({ digest: OURS.digest });
    expect(await target(opened)).toBe(OURS.digest);
  });

  test('of something else than is here is told, and counts if it was later', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    await opened.pushes.deletion.tag(APP, 'v1', deletion(changeAt(1, THEIRS.digest)));
    expect(await target(opened)).toBe(undefined);
    expect(await told(opened)).toBe(1);
  });

  test('of a tag that is not here is told as such', async () => {
    await using opened = await openPushes();
    const deleting = opened.pushes.deletion.tag(APP, 'v1', deletion(changeAt(0)));
    await expect(deleting).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
  });

  test('takes a manifest', async () => {
    await using opened = await openPushes();
    await put(opened, OURS);
    await opened.pushes.deletion.manifest(APP, OURS.digest, deletion(changeAt(1)));
    expect(await opened.stock.index.findManifest(APP.name, OURS.digest)).toBe(undefined);
  });

  test('leaves a manifest with a tag that was set later', async () => {
    await using opened = await openPushes();
    await put(opened, OURS, changeAt(-10));
    await put(opened, OURS, changeAt(-90), ['older']);
    const kept = await opened.pushes.deletion.manifest(APP, OURS.digest, deletion(changeAt(-60)));
    expect(kept).toEqual({ digest: OURS.digest });
    expect(await opened.stock.index.listTags(APP.name)).toEqual(['v1']);
    expect(await opened.stock.index.findManifest(APP.name, OURS.digest)).toMatchObject({ digest: OURS.digest });
  });

  test('takes nothing where nothing may be deleted', async () => {
    await using opened = await openPushes({ rules: [{ repositories: ['local/app'], deletes: false }] });
    await put(opened, OURS);
    for (const deleting of [
      opened.pushes.deletion.tag(APP, 'v1', deletion(changeAt(1))),
      opened.pushes.deletion.manifest(APP, OURS.digest, deletion(changeAt(1))),
    ]) {
      await expect(deleting).rejects.toMatchObject({ code: 'DELETES_OFF' });
    }
    expect(await target(opened)).toBe(OURS.digest);
  });
});
