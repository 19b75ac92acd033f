import { join } from 'node:path';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { SqliteIndex } from '../../../src/metadata/sqlite/sqlite-index.ts';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { makeRepository } from '../../../src/oci/repository.ts';
import { createSpace, type Space, type SpaceOptions } from '../../../src/registry/space/space.ts';
import { usedBytes } from '../../../src/registry/space/room.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { KeyedLock } from '../../../src/util/keyed-lock.ts';
import { mountSmallDisk } from '../../content/support/tmpfs.ts';
import { seededBytes } from '../../support/bytes.ts';

/** An image to be stored: `docker.io/library/app` unless it says otherwise, with layers of 100,000 bytes. */
interface StockImage {
  readonly repository?: string;
  readonly tags?: readonly string[];
  /** Layers of the same name are the same blob. */
  readonly layers?: readonly string[];
  readonly usedAtMs?: number;
}

/** A store and an index with images in them, and the parts that look after its space. */
export interface Stock extends AsyncDisposable {
  /** The data directory. */
  readonly path: string;
  readonly store: DiskStore;
  readonly index: SqliteIndex;
  readonly space: Space;
  readonly telemetry: Telemetry;
  readonly locks: KeyedLock;
  /** @param name gives the manifest its bytes, and a tag if none are given */
  addImage(name: string, image?: StockImage): Promise<Digest>;
  addBlob(name: string, repositories?: readonly string[], atMs?: number): Promise<Digest>;
  /** Digests on the disk. */
  files(): Promise<Set<string>>;
  /** Tags that are in the index, of all repositories. */
  tags(): Promise<string[]>;
  usedBytes(): Promise<number>;
}

export const LAYER_BYTES = 100_000;
/** What an image with one layer of its own takes on the disk: the layer and the manifest, in blocks. */
export const IMAGE_DISK_BYTES = 25 * 4096 + 4096;
export const APP = 'docker.io/library/app';

/** The content of a name: the same for the same name. */
export function stockDigest(name: string): Digest {
  return digestOf(bytesOf(name));
}

/** Opens an empty one on a disk of its own in memory. */
export async function openStock(options: Partial<Omit<SpaceOptions, 'store' | 'index'>> = {}): Promise<Stock> {
  await using opened = new AsyncDisposableStack();
  const disk = opened.use(await mountSmallDisk(64 * 1024 * 1024));
  const store = opened.use(await DiskStore.open(disk.path));
  const index = opened.use(
    new SqliteIndex(join(disk.path, 'index.sqlite'), {
      onFlushError: (error) => {
        throw error;
      },
      logBytes: 256 * 1024,
    }),
  );
  const telemetry = new Telemetry(silentLogger(), new Metrics('test'));
  const locks = new KeyedLock();
  const limits = { quotaBytes: undefined, minFreeBytes: 0, lowWatermark: 0.9, registryQuotas: new Map() };
  const space = createSpace({
    store,
    index,
    telemetry,
    locks,
    limits,
    pins: [],
    hosted: [],
    downloads: () => [],
    ...options,
  });
  opened.use(space.eviction);
  await space.pins.load();
  const cleanup = opened.move();
  const addBlob: Stock['addBlob'] = async (name, repositories = [APP], atMs = 0) => {
    const digest = stockDigest(name);
    await store.put(digest, bytesOf(name));
    await index.putBlob({ digest, sizeBytes: LAYER_BYTES, repositories, atMs });
    return digest;
  };
  return {
    path: disk.path,
    store,
    index,
    space,
    telemetry,
    locks,
    addBlob,
    addImage: async (name, { repository = APP, tags = [name], layers = [`${name}'s layer`], usedAtMs = 0 } = {}) => {
      const bytes = Buffer.from(`manifest of ${name}`);
      const digest = digestOf(bytes);
      await store.put(digest, bytes);
      for (const layer of layers) await addBlob(layer, [repository], usedAtMs);
      await index.putManifest({
        repository,
        digest,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        sizeBytes: bytes.length,
        artifactType: undefined,
        references: layers.map((layer) => ({
          role: 'layer',
          digest: stockDigest(layer),
          sizeBytes: LAYER_BYTES,
          mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        })),
        tags,
        atMs: usedAtMs,
      });
      index.noteUse({ repository, digest, atMs: usedAtMs });
      await index.flushUses();
      return digest;
    },
    files: async () => new Set(await Array.fromAsync(store.list())),
    tags: async () => {
      const repositories = await index.listRepositories({ limit: 1000 });
      return (await Promise.all(repositories.map((repository) => index.listTags(repository)))).flat().sort();
    },
    usedBytes: async () => usedBytes(await space.budget.read()),
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** A download under way, as the eviction sees it. */
export function download(path: string, layer: string): ReturnType<SpaceOptions['downloads']>[number] {
  return { digest: stockDigest(layer), repositories: [makeRepository('docker.io', path)] };
}

function bytesOf(name: string): Buffer {
  return seededBytes(LAYER_BYTES, name);
}
