import { hash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { openDatabase } from '../../../src/metadata/sqlite/open-database.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts';

/** One image of a seeded index: a manifest, its config and eight layers, three of which all its repository shares. */
interface SeededImage {
  readonly repository: string;
  readonly tag: string;
  readonly manifest: Digest;
  readonly config: Digest;
  readonly layers: readonly Digest[];
  /** Image N was used N seconds after image 0. */
  readonly usedAtMs: number;
}

/** What a seeded index holds. */
export interface SeededIndex {
  readonly images: number;
  readonly repositories: readonly string[];
  imageAt(number: number): SeededImage;
}

/** Sizes in bytes of what an image has. */
const SEEDED_SIZES = { manifest: 2_000, config: 8_000, layer: 1_000_000, sharedLayer: 30_000_000 } as const;

const FIRST_USE_MS = Date.UTC(2024, 0, 1);
const REGISTRIES = ['docker.io/library', 'ghcr.io/owner', 'quay.io/team'];
const SHARED = 3;
/** Rows of content that belong to one image alone: the manifest, the config, five layers. */
const OWN = 7;

/**
 * Writes an index of so many images into a new file, all stored, in the order of their last use: image N is tagged `vN`
 * and lies in repository N modulo `repositories`. 200,000 of them take some ten seconds and half a gigabyte. There is no
 * file behind any digest.
 */
export function seedIndex(file: string, options: { images: number; repositories?: number }): SeededIndex {
  const { images, repositories: repositoryCount = 20 } = options;
  const names = Array.from({ length: repositoryCount }, (_, n) => `${REGISTRIES[n % REGISTRIES.length]}/app${n}`);
  const database = openDatabase(file, 16 * 1024 * 1024);
  try {
    database.pragma('synchronous = OFF');
    database.pragma('journal_mode = MEMORY');
    database.pragma('cache_size = -1000000');
    database.pragma('foreign_keys = OFF');
    database.transaction(() => fill(database, names, images))();
    database.pragma('journal_mode = WAL');
  } finally {
    database.close();
  }
  return { images, repositories: names, imageAt: (number) => imageAt(names, number) };
}

function imageAt(names: readonly string[], number: number): SeededImage {
  const place = number % names.length;
  const first = names.length * SHARED + number * OWN + 1;
  const layers = [1, 2, 3].map((n) => place * SHARED + n).concat([2, 3, 4, 5, 6].map((n) => first + n));
  return {
    repository: names[place] ?? '',
    tag: `v${number}`,
    manifest: seededDigest(first),
    config: seededDigest(first + 1),
    layers: layers.map(seededDigest),
    usedAtMs: FIRST_USE_MS + number * 1000,
  };
}

function seededDigest(contentId: number): Digest {
  return `sha256:${hash('sha256', `seeded ${contentId}`, 'hex')}` as Digest;
}

/** Tables first, what is derived from them later: triggers and indexes would make it take minutes. */
function fill(database: Database, names: readonly string[], images: number): void {
  const derived = database
    .prepare<[], { type: string; name: string; sql: string }>(
      "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('trigger', 'index') AND sql IS NOT NULL",
    )
    .all();
  for (const { type, name } of derived) database.exec(`DROP ${type} ${name}`);
  addRepositories(database, names);
  addContent(database, names.length, images);
  addImages(database, names.length, images);
  addSums(database);
  for (const { sql } of derived) database.exec(sql);
}

function addRepositories(database: Database, names: readonly string[]): void {
  const addRegistry = database.prepare('INSERT INTO registry (name) VALUES (?) ON CONFLICT DO NOTHING');
  const addRepository = database.prepare(
    'INSERT INTO repository (id, name, registry_id) SELECT ?, ?, id FROM registry WHERE name = ?',
  );
  for (const [position, name] of names.entries()) {
    const registry = name.split('/')[0];
    addRegistry.run(registry);
    addRepository.run(position + 1, name, registry);
  }
}

function addContent(database: Database, repositories: number, images: number): void {
  const shared = repositories * SHARED;
  const add = database.prepare('INSERT INTO content (id, digest) VALUES (?, ?)');
  for (let id = 1; id <= shared + images * OWN; id += 1) add.run(id, seededDigest(id));
  const { manifest, config, layer, sharedLayer } = SEEDED_SIZES;
  database
    .prepare(
      `INSERT INTO blob SELECT id,
         CASE WHEN id <= :shared THEN :sharedLayer WHEN (id - :shared) % :own = 1 THEN :manifest
           WHEN (id - :shared) % :own = 2 THEN :config ELSE :layer END, :at
       FROM content ORDER BY id`,
    )
    .run({ shared, own: OWN, manifest, config, layer, sharedLayer, at: FIRST_USE_MS });
}

/** In the order of the tables' keys: repository by repository. */
function addImages(database: Database, repositories: number, images: number): void {
  const shared = repositories * SHARED;
  const values = { repositories, images, shared, own: OWN, at: FIRST_USE_MS, type: OCI_MANIFEST };
  database.exec('CREATE TEMP TABLE image (repository_id INTEGER, number INTEGER, manifest_id INTEGER)');
  const run = (sql: string) => {
    const named = Object.entries(values).filter(([name]) => new RegExp(`:${name}\\b`).test(sql));
    database.prepare(sql).run(Object.fromEntries(named));
  };
  run(`
    WITH RECURSIVE n(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM n WHERE number + 1 < :images)
    INSERT INTO image SELECT number % :repositories + 1, number, :shared + number * :own + 1 FROM n ORDER BY 1, 2`);
  run(`
    INSERT INTO repository_content (repository_id, content_id, size_bytes, used_at)
    SELECT (id - 1) / 3 + 1, id, (SELECT size_bytes FROM blob WHERE content_id = id), :at
    FROM content WHERE id <= :shared ORDER BY id`);
  run(`
    INSERT INTO repository_content (repository_id, content_id, size_bytes, used_at, media_type)
    SELECT i.repository_id, b.content_id, b.size_bytes, :at + i.number * 1000,
      iif(b.content_id = i.manifest_id, :type, NULL)
    FROM image i CROSS JOIN blob b ON b.content_id BETWEEN i.manifest_id AND i.manifest_id + :own - 1
    ORDER BY i.rowid, b.content_id`);
  run(`
    INSERT INTO reference
    SELECT i.repository_id, i.manifest_id, c.id, iif(c.id = i.manifest_id + 1, 'config', 'layer')
    FROM image i CROSS JOIN content c
      ON c.id BETWEEN (i.repository_id - 1) * 3 + 1 AND i.repository_id * 3
        OR c.id BETWEEN i.manifest_id + 1 AND i.manifest_id + :own - 1
    ORDER BY i.rowid, c.id`);
  run(`
    INSERT INTO tag SELECT repository_id, 'v' || number, manifest_id, :at, :at FROM image ORDER BY 1, 2`);
  run(`
    INSERT INTO tag_clock (repository, tag, digest, site, sequence, ms, count)
    SELECT r.name, 'v' || i.number, c.digest, '', 0, :at, 0
    FROM image i CROSS JOIN repository r ON r.id = i.repository_id CROSS JOIN content c ON c.id = i.manifest_id
    ORDER BY 1, 2`);
  run('UPDATE last_clock SET ms = :at');
  run(`
    INSERT INTO root (repository_id, content_id, registry_id, digest, used_at)
    SELECT i.repository_id, i.manifest_id, r.registry_id, c.digest, :at + i.number * 1000
    FROM image i CROSS JOIN content c ON c.id = i.manifest_id JOIN repository r ON r.id = i.repository_id
    ORDER BY i.rowid`);
  database.exec('DROP TABLE image');
}

function addSums(database: Database): void {
  database.exec(`
    INSERT INTO registry_content
      SELECT rc.content_id, r.registry_id, 1 FROM repository_content rc JOIN repository r ON r.id = rc.repository_id
      ORDER BY 1;
    UPDATE registry SET blocks = coalesce((
      SELECT sum((b.size_bytes + 4095) / 4096) FROM registry_content rc CROSS JOIN blob b
      WHERE b.content_id = rc.content_id AND rc.registry_id = registry.id), 0);
    UPDATE repository SET
      tags = (SELECT count(*) FROM tag t WHERE t.repository_id = repository.id),
      roots = (SELECT count(*) FROM root t WHERE t.repository_id = repository.id),
      size_bytes = coalesce((
        SELECT sum(b.size_bytes) FROM repository_content rc CROSS JOIN blob b
        WHERE b.content_id = rc.content_id AND rc.repository_id = repository.id), 0),
      used_at = (SELECT max(used_at) FROM repository_content rc WHERE rc.repository_id = repository.id);
    UPDATE total SET
      blobs = (SELECT count(*) FROM blob), blocks = (SELECT sum((size_bytes + 4095) / 4096) FROM blob);`);
}
