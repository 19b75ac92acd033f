import type { Database, Statement } from 'better-sqlite3';

interface ManifestColumns {
  digest: string;
  media_type: string;
  size_bytes: number;
  stored_at: number;
}

/** Every statement of the index, prepared once and named. */
export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: Database) {
  return {
    addRepository: database.prepare<[name: string]>('INSERT INTO repository (name) VALUES (?) ON CONFLICT DO NOTHING'),
    repositoryId: pluck<[name: string], number>(database.prepare('SELECT id FROM repository WHERE name = ?')),
    repositoriesAfter: pluck<{ prefix: string; after: string; limit: number }, string>(
      database.prepare(`
        SELECT name FROM repository r
        WHERE name > :after AND substr(name, 1, length(:prefix)) = :prefix
          AND EXISTS (SELECT 1 FROM repository_content rc JOIN manifest USING (content_id) WHERE rc.repository_id = r.id)
        ORDER BY name LIMIT :limit`),
    ),

    addContent: database.prepare<[digest: string]>('INSERT INTO content (digest) VALUES (?) ON CONFLICT DO NOTHING'),
    contentId: pluck<[digest: string], number>(database.prepare('SELECT id FROM content WHERE digest = ?')),
    linkContent: database.prepare<
      [repositoryId: number, contentId: number, sizeBytes: number | null, usedAt: number | null]
    >(`
      INSERT INTO repository_content (repository_id, content_id, size_bytes, used_at) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET size_bytes = coalesce(excluded.size_bytes, size_bytes)`),
    touchContent: database.prepare<{ repository: string; digest: string; at: number }>(`
      UPDATE repository_content SET used_at = max(coalesce(used_at, 0), :at)
      WHERE repository_id = (SELECT id FROM repository WHERE name = :repository)
        AND content_id = (SELECT id FROM content WHERE digest = :digest)`),

    findBlob: database.prepare<
      { repository: string; digest: string },
      { named_size: number | null; size_bytes: number | null; stored_at: number | null; belongs: number }
    >(`
      SELECT rc.size_bytes AS named_size, b.size_bytes, b.stored_at, rc.content_id IS NOT NULL AS belongs
      FROM content c LEFT JOIN blob b ON b.content_id = c.id
        LEFT JOIN repository_content rc ON rc.content_id = c.id
          AND rc.repository_id = (SELECT id FROM repository WHERE name = :repository)
      WHERE c.digest = :digest`),
    putBlob: database.prepare<[contentId: number, sizeBytes: number, at: number]>(`
      INSERT INTO blob (content_id, size_bytes, stored_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`),
    removeBlob: database.prepare<[digest: string]>(
      'DELETE FROM blob WHERE content_id = (SELECT id FROM content WHERE digest = ?)',
    ),
    blobsAfter: database.prepare<[after: string, limit: number], { digest: string; size_bytes: number }>(`
      SELECT c.digest, b.size_bytes FROM content c JOIN blob b ON b.content_id = c.id
      WHERE c.digest > ? ORDER BY c.digest LIMIT ?`),
    totals: database.prepare<[], { blobs: number; size_bytes: number }>('SELECT blobs, size_bytes FROM total'),

    findTag: database.prepare<[repository: string, tag: string], ManifestColumns & { validated_at: number }>(`
      SELECT c.digest, m.media_type, b.size_bytes, b.stored_at, t.validated_at
      FROM repository r JOIN tag t ON t.repository_id = r.id
        JOIN content c ON c.id = t.content_id JOIN blob b ON b.content_id = c.id JOIN manifest m ON m.content_id = c.id
      WHERE r.name = ? AND t.name = ?`),
    findManifest: database.prepare<[repository: string, digest: string], ManifestColumns>(`
      SELECT c.digest, m.media_type, b.size_bytes, b.stored_at
      FROM content c JOIN blob b ON b.content_id = c.id JOIN manifest m ON m.content_id = c.id
        JOIN repository_content rc ON rc.content_id = c.id
      WHERE rc.repository_id = (SELECT id FROM repository WHERE name = ?) AND c.digest = ?`),
    putManifest: database.prepare<[contentId: number, mediaType: string, artifactType: string | null]>(`
      INSERT INTO manifest (content_id, media_type, artifact_type) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`),
    putReference: database.prepare<[manifestId: number, contentId: number, role: string]>(`
      INSERT INTO reference (manifest_id, content_id, role) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`),

    putTag: database.prepare<{ repositoryId: number; tag: string; contentId: number; at: number }>(`
      INSERT INTO tag (repository_id, name, content_id, validated_at, moved_at)
      VALUES (:repositoryId, :tag, :contentId, :at, :at)
      ON CONFLICT DO UPDATE SET validated_at = :at, content_id = :contentId,
        moved_at = iif(content_id = :contentId, moved_at, :at)`),
    tags: pluck<[repository: string], string>(
      database.prepare(
        'SELECT t.name FROM tag t JOIN repository r ON r.id = t.repository_id WHERE r.name = ? ORDER BY t.name',
      ),
    ),

    findListing: database.prepare<[repository: string, key: string], { body: Buffer; validated_at: number }>(`
      SELECT body, validated_at FROM listing
      WHERE repository_id = (SELECT id FROM repository WHERE name = ?) AND key = ?`),
    putListing: database.prepare<[repositoryId: number, key: string, body: Uint8Array, at: number]>(`
      INSERT INTO listing (repository_id, key, body, validated_at) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET body = excluded.body, validated_at = excluded.validated_at`),
  };
}

/** A statement whose rows are their first column. */
function pluck<Parameters extends unknown[] | object, Value>(
  statement: Statement,
): Statement<Parameters extends unknown[] ? Parameters : [Parameters], Value> {
  return statement.pluck() as unknown as Statement<Parameters extends unknown[] ? Parameters : [Parameters], Value>;
}
