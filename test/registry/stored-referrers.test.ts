import { describe, expect, test } from 'vitest';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts';
import { HotManifests } from '../../src/registry/hot-manifests.ts';
import { type ReferrersQuery, StoredReferrers } from '../../src/registry/stored-referrers.ts';
import { openStock, type Stock } from './space/stock.ts';

const SUBJECT = digestOf(Buffer.from('the subject'));
const REPOSITORY = 'local/app';
const ALL: ReferrersQuery = { artifactType: undefined, after: undefined, limit: undefined };
const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(Buffer.from('{}')), size: 2 };

async function add(stock: Stock, content: object): Promise<Digest> {
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, ...content };
  const bytes = Buffer.from(JSON.stringify({ ...document, subject: { ...EMPTY, digest: SUBJECT } }));
  const { mediaType, artifactType, references } = parseManifest(bytes, undefined);
  const digest = digestOf(bytes);
  await stock.store.put(digest, bytes);
  const record = { repository: REPOSITORY, digest, mediaType, artifactType, references, sizeBytes: bytes.length };
  await stock.index.putManifest({ ...record, tags: [], atMs: 1 });
  return digest;
}

function referrersOf({ store, index }: Stock): StoredReferrers {
  return new StoredReferrers({ index, hot: new HotManifests(store, 1024) });
}

describe('stored referrers', () => {
  test('are described with type and annotations, in the order of their digests', async () => {
    await using stock = await openStock();
    const annotations = { 'org.example': 'ä "x"' };
    const image = await add(stock, { annotations });
    const artifact = await add(stock, { artifactType: 'application/x.sbom' });
    const index = await add(stock, { mediaType: OCI_INDEX, config: undefined, manifests: [], annotations });
    const { entries, next } = await referrersOf(stock).page(REPOSITORY, SUBJECT, ALL);
    expect(next).toBe(undefined);
    expect(entries.map(({ digest }) => digest)).toEqual([image, artifact, index].toSorted());
    const entry = (digest: Digest) => entries.find((each) => each['digest'] === digest);
    expect(entry(image)).toMatchObject({ mediaType: OCI_MANIFEST, artifactType: EMPTY.mediaType, annotations });
    expect(entry(artifact)).toMatchObject({ artifactType: 'application/x.sbom', size: expect.any(Number) });
    expect(entry(artifact)).not.toHaveProperty('annotations');
    expect(entry(index)).toMatchObject({ mediaType: OCI_INDEX, annotations });
    expect(entry(index)).not.toHaveProperty('artifactType');
  });

  test.each([1, 2, 3, 100, 250, 1000])('come %i at a time, each once, filtered or not', async (limit) => {
    await using stock = await openStock();
    const types = ['application/x.a', 'application/x.b'];
    const made = new Map<Digest, string>();
    for (let number = 0; number < 230; number += 1) {
      const artifactType = types[number % 7 === 0 ? 0 : 1] ?? '';
      made.set(await add(stock, { artifactType, annotations: { number: String(number) } }), artifactType);
    }
    for (const artifactType of [undefined, ...types]) {
      const found: unknown[] = [];
      let after: string | undefined;
      do {
        const page = await referrersOf(stock).page(REPOSITORY, SUBJECT, { artifactType, after, limit });
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        found.push(...page.entries.map(({ digest }) => digest));
        after = page.next;
      } while (after !== undefined);
      const wanted = [...made].filter(([, type]) => artifactType === undefined || type === artifactType);
      expect(found).toEqual(wanted.map(([digest]) => digest).toSorted());
    }
  });

  test('of large annotations come in pages of some 4 MiB', async () => {
    await using stock = await openStock();
    for (let number = 0; number < 6; number += 1) {
      await add(stock, { annotations: { number: String(number), large: 'x'.repeat(1024 * 1024) } });
    }
    const { entries, next } = await referrersOf(stock).page(REPOSITORY, SUBJECT, ALL);
    expect(entries).toHaveLength(3);
    const rest = await referrersOf(stock).page(REPOSITORY, SUBJECT, { ...ALL, after: next });
    expect(rest.entries).toHaveLength(3);
    expect(rest.next).toBe(undefined);
  });

  test('whose bytes were lost are listed without what stood in them', async () => {
    await using stock = await openStock();
    const digest = await add(stock, { artifactType: 'application/x.a' });
    await stock.store.remove(digest);
    const { entries } = await referrersOf(stock).page(REPOSITORY, SUBJECT, ALL);
    expect(entries).toEqual([{ digest, mediaType: OCI_MANIFEST, size: expect.any(Number) }]);
  });

  test('are none of a subject that nothing refers to, and for a limit of 0', async () => {
    await using stock = await openStock();
    await add(stock, {});
    const referrers = referrersOf(stock);
    const none = { entries: [], next: undefined };
    expect(await referrers.page(REPOSITORY, EMPTY.digest, ALL)).toEqual(none);
    expect(await referrers.page('local/other', SUBJECT, ALL)).toEqual(none);
    expect(await referrers.page(REPOSITORY, SUBJECT, { ...ALL, limit: 0 })).toEqual(none);
  });
});
