import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import type { SqliteIndex } from '../../../src/metadata/sqlite/sqlite-index.ts';
import { salvage } from '../../../src/metadata/sqlite/salvage.ts';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import { reindex, type SalvagedNames } from '../../../src/registry/upkeep/reindexing.ts';
import { openSqliteFile } from '../../metadata/support/open-sqlite-index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const APP = 'local/app';
const OTHER = 'local/other';
const CAUSE = { actor: 'ci' };
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
const DAY_MS = 24 * 3_600_000;

/** A store with the index of hosted repositories, to be built anew. */
interface Hosted extends AsyncDisposable {
  readonly index: SqliteIndex;
  pushBlob(repository: string, content: string): Promise<void>;
  /** An image whose layers have these contents and media types. */
  push(repository: string, tag: string, atMs: number, layers?: Readonly<Record<string, string>>): Promise<Digest>;
  /** Closes the index and builds another one. @param lose what of the old one cannot be read */
  reindex(lose?: { readonly sparse?: boolean; readonly names?: Partial<SalvagedNames> }): Promise<SqliteIndex>;
}

async function openHosted(): Promise<Hosted> {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const store = opened.use(await DiskStore.open(path));
  const index = opened.use(openSqliteFile(join(path, 'old.sqlite')));
  const put = async (content: string) => {
    const digest = digestOf(Buffer.from(content));
    await store.put(digest, Buffer.from(content));
    return { digest, sizeBytes: content.length };
  };
  const push: Hosted['push'] = async (repository, tag, atMs, layers = {}) => {
    const descriptors = Object.entries(layers).map(([content, mediaType]) => ({
      mediaType,
      digest: digestOf(Buffer.from(content)),
      size: content.length,
    }));
    const config = {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(Buffer.from(tag)),
      size: 1,
    };
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: descriptors };
    const { digest, sizeBytes } = await put(JSON.stringify(document));
    const { artifactType, references } = parseManifest(Buffer.from(JSON.stringify(document)), OCI_MANIFEST);
    const record = { repository, digest, mediaType: OCI_MANIFEST, sizeBytes, artifactType, references };
    await index.pushManifest({ ...record, tags: [tag], atMs }, [], CAUSE);
    return digest;
  };
  const cleanup = opened.move();
  return {
    index,
    pushBlob: async (repository, content) =>
      index.pushBlob({ repository, ...(await put(content)), atMs: Date.now() }, CAUSE),
    push,
    reindex: async ({ sparse = false, names = {} } = {}) => {
      await index[Symbol.asyncDispose]();
      const { pins: _, ...salvaged } = salvage(join(path, 'old.sqlite'));
      const rebuilt = cleanup.use(openSqliteFile(join(path, 'new.sqlite')));
      const { damaged, lostTags } = await reindex({
        store,
        index: rebuilt,
        names: { ...salvaged, pins: [], ...names },
        isSparse: () => sparse,
        verify: true,
        manifestLimitBytes: 1024 * 1024,
        onProgress: () => undefined,
      });
      expect({ damaged, lostTags }).toEqual({ damaged: [], lostTags: [] });
      return rebuilt;
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** Which of these contents belong to the repository. */
async function belonging(index: SqliteIndex, repository: string, contents: readonly string[]): Promise<string[]> {
  const rows = await Promise.all(contents.map((each) => index.findBlob(repository, digestOf(Buffer.from(each)))));
  return contents.filter((_, number) => rows[number]?.belongs);
}

afterEach(() => void vi.useRealTimers());

test('tags keep the time when they were moved, and are unconfirmed', async () => {
  await using hosted = await openHosted();
  const nowMs = Date.now();
  const old = await hosted.push(APP, 'old', nowMs - 90 * DAY_MS);
  await hosted.push(APP, 'young', nowMs - DAY_MS);
  await hosted.index.putTag(APP, 'stable', old, nowMs - 10 * DAY_MS);
  const before = await hosted.index.listTagRows({ repository: APP, limit: 9 });
  const index = await hosted.reindex();
  const times = (rows: typeof before) =>
    rows.map(({ tag, movedAtMs }) => ({ tag, daysAgo: (nowMs - movedAtMs) / DAY_MS }));
  const after = await index.listTagRows({ repository: APP, limit: 9 });
  expect(times(after)).toEqual(times(before));
  expect(times(after)).toEqual([
    { tag: 'old', daysAgo: 90 },
    { tag: 'stable', daysAgo: 10 },
    { tag: 'young', daysAgo: 1 },
  ]);
  expect(await index.findTag(APP, 'young')).toMatchObject({ validatedAtMs: 0 });
});

test('a tag of which only the name is known counts as moved now', async () => {
  await using hosted = await openHosted();
  const digest = await hosted.push(APP, 'v1', Date.now() - 90 * DAY_MS);
  const nowMs = Date.now() + DAY_MS;
  vi.useFakeTimers({ toFake: ['Date'], now: nowMs });
  const index = await hosted.reindex({
    names: { tags: [{ repository: APP, tag: 'v1', digest, movedAtMs: undefined }] },
  });
  expect(await index.listTagRows({ repository: APP, limit: 9 })).toMatchObject([{ tag: 'v1', movedAtMs: nowMs }]);
});

test('which change of a tag was the last is known as before, and so are deletions', async () => {
  await using hosted = await openHosted();
  const digest = await hosted.push(APP, 'v1', 1);
  for (const tag of ['v2', 'v3']) await hosted.push(APP, tag, 1);
  const origin = { site: 'us', sequence: 70, clock: { ms: Date.now() + 5000, count: 3 }, base: digest };
  await hosted.index.deleteTag(APP, 'v2', { actor: 'us', origin });
  await hosted.index.deleteTag(APP, 'v3', CAUSE);
  const look = async (index: SqliteIndex) => [
    await index.findTagState(APP, 'v1'),
    ...(await index.listTombstones({ repository: APP, limit: 9 })),
  ];
  const before = await look(hosted.index);
  expect(before).toMatchObject([{ sequence: 2 }, { tag: 'v2', site: 'us', sequence: 70 }, { tag: 'v3' }]);
  const index = await hosted.reindex();
  expect(await look(index)).toEqual(before);
  await index.putTag(APP, 'v2', digest, Date.now());
  expect(await index.findTagState(APP, 'v2')).toMatchObject({ clock: { ms: origin.clock.ms, count: 5 } });
});

test('a tag whose last change is not known counts as set by this site when it was moved', async () => {
  await using hosted = await openHosted();
  const movedAtMs = Date.now() - 90 * DAY_MS;
  const digest = await hosted.push(APP, 'v1', movedAtMs);
  const index = await hosted.reindex({ names: { clocks: [] } });
  expect(await index.findTagState(APP, 'v1')).toEqual({
    digest,
    site: 'site',
    sequence: 0,
    clock: { ms: movedAtMs, count: 0 },
    base: undefined,
  });
});

const CONTENTS = ['own layer', 'own foreign layer', 'private layer', 'private foreign layer'];

/** The image of one repository names two layers of another one, besides its own. */
async function pushNosyImage(hosted: Hosted): Promise<void> {
  for (const content of CONTENTS) await hosted.pushBlob(content.startsWith('own') ? APP : OTHER, content);
  const layers = Object.fromEntries(CONTENTS.map((each) => [each, each.includes('foreign') ? FOREIGN : LAYER]));
  await hosted.push(APP, 'v1', Date.now(), layers);
  expect(await belonging(hosted.index, APP, CONTENTS)).toEqual(['own layer', 'own foreign layer']);
}

test("naming another repository's blob does not open it", async () => {
  await using hosted = await openHosted();
  await pushNosyImage(hosted);
  const index = await hosted.reindex();
  expect(await belonging(index, APP, CONTENTS)).toEqual(['own layer', 'own foreign layer']);
});

test.each([
  ['what its images had to have', false, ['own layer', 'private layer']],
  ['nothing, where images may lack it,', true, []],
])('of a repository whose links are lost %s belongs to it', async (_, sparse, expected) => {
  await using hosted = await openHosted();
  await pushNosyImage(hosted);
  const index = await hosted.reindex({ sparse, names: { links: new Map(), areLinksWhole: false } });
  expect(await belonging(index, APP, CONTENTS)).toEqual(expected);
});
