/**
 * From version 1 to 2: references and media types by repository, roots with their last use, sums kept by triggers.
 * It runs with foreign keys off.
 *
 * A row of `repository_content` is a root of its repository, or is reached from one: a manifest reaches what it lists
 * (roles `config`, `layer`, `manifest`) and the manifests whose `subject` it is.
 */
export const VERSION_2 = `
  DROP TRIGGER blob_added;
  DROP TRIGGER blob_removed;
  DROP INDEX reference_by_content;
  DROP INDEX repository_content_by_content;
  DROP INDEX tag_by_content;
  DROP TABLE total;
  ALTER TABLE repository RENAME TO old_repository;
  ALTER TABLE manifest RENAME TO old_manifest;
  ALTER TABLE reference RENAME TO old_reference;
  ALTER TABLE repository_content RENAME TO old_repository_content;
  ALTER TABLE tag RENAME TO old_tag;
  ALTER TABLE listing RENAME TO old_listing;

  -- Blocks are what the disk gives out: 4096 bytes. Sums are kept by triggers, because adding up a million rows for each
  -- look at the metrics would take too long.
  CREATE TABLE total (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    blobs INTEGER NOT NULL,
    -- With those of doomed content.
    blocks INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE registry (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    blocks INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  INSERT INTO registry (id, name) VALUES (0, '');

  CREATE TABLE repository (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    registry_id INTEGER NOT NULL REFERENCES registry(id),
    tags INTEGER NOT NULL DEFAULT 0,
    roots INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    used_at INTEGER
  ) STRICT;
  -- Has what was stored for no repository.
  INSERT INTO repository (id, name, registry_id) VALUES (0, '', 0);

  CREATE TABLE repository_content (
    repository_id INTEGER NOT NULL REFERENCES repository(id),
    content_id INTEGER NOT NULL REFERENCES content(id),
    -- What a descriptor in this repository says: one repository's lie must not break another one's pulls.
    size_bytes INTEGER,
    used_at INTEGER,
    -- As this repository's upstream sent it; NULL: no manifest here.
    media_type TEXT,
    artifact_type TEXT,
    PRIMARY KEY (repository_id, content_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX repository_content_by_content ON repository_content(content_id, repository_id);
  CREATE INDEX repository_manifest ON repository_content(repository_id) WHERE media_type IS NOT NULL;

  -- How many of a registry's repositories have the content.
  CREATE TABLE registry_content (
    content_id INTEGER NOT NULL REFERENCES content(id),
    registry_id INTEGER NOT NULL REFERENCES registry(id),
    repositories INTEGER NOT NULL,
    PRIMARY KEY (content_id, registry_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE reference (
    repository_id INTEGER NOT NULL,
    manifest_id INTEGER NOT NULL,
    content_id INTEGER NOT NULL REFERENCES content(id),
    role TEXT NOT NULL,
    PRIMARY KEY (repository_id, manifest_id, content_id, role),
    FOREIGN KEY (repository_id, manifest_id) REFERENCES repository_content(repository_id, content_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX reference_by_content ON reference(content_id, repository_id, manifest_id);
  CREATE INDEX reference_by_subject ON reference(content_id, repository_id, manifest_id) WHERE role = 'subject';

  -- No foreign key from here or from listings to repository_content: SQLite would look the other way round through all
  -- tags of the repository whenever content goes.
  CREATE TABLE tag (
    repository_id INTEGER NOT NULL REFERENCES repository(id),
    name TEXT NOT NULL,
    content_id INTEGER NOT NULL,
    validated_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tag_by_content ON tag(repository_id, content_id);

  CREATE TABLE root (
    repository_id INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    registry_id INTEGER NOT NULL REFERENCES registry(id),
    -- The content's, a second time: lists of a large repository go by it.
    digest TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    is_set_aside INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository_id, content_id),
    FOREIGN KEY (repository_id, content_id) REFERENCES repository_content(repository_id, content_id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX root_by_digest ON root(repository_id, digest);
  CREATE INDEX root_by_use ON root(used_at, repository_id, content_id) WHERE is_set_aside = 0;
  CREATE INDEX root_by_registry ON root(registry_id, used_at, repository_id, content_id) WHERE is_set_aside = 0;
  CREATE INDEX root_set_aside ON root(repository_id, content_id) WHERE is_set_aside = 1;

  CREATE TABLE doomed (
    content_id INTEGER PRIMARY KEY REFERENCES content(id),
    size_bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE listing (
    repository_id INTEGER NOT NULL REFERENCES repository(id),
    key TEXT NOT NULL,
    about_id INTEGER,
    body BLOB NOT NULL,
    validated_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX listing_by_content ON listing(repository_id, about_id);

  CREATE TABLE note (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE pin (
    pattern TEXT PRIMARY KEY,
    pinned_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  INSERT INTO registry (name)
    SELECT DISTINCT substr(name, 1, instr(name || '/', '/') - 1) FROM old_repository WHERE name <> '';
  INSERT INTO repository (id, name, registry_id)
    SELECT o.id, o.name, r.id
    FROM old_repository o JOIN registry r ON r.name = substr(o.name, 1, instr(o.name || '/', '/') - 1)
    WHERE o.name <> '' AND EXISTS (SELECT 1 FROM old_repository_content c WHERE c.repository_id = o.id);
  INSERT INTO repository_content
    SELECT o.repository_id, o.content_id, o.size_bytes, o.used_at, m.media_type, m.artifact_type
    FROM old_repository_content o JOIN repository r ON r.id = o.repository_id
      LEFT JOIN old_manifest m ON m.content_id = o.content_id;
  INSERT INTO repository_content (repository_id, content_id, size_bytes, used_at)
    SELECT 0, b.content_id, b.size_bytes, b.stored_at FROM blob b
    WHERE NOT EXISTS (SELECT 1 FROM repository_content rc WHERE rc.content_id = b.content_id);
  INSERT INTO reference
    SELECT rc.repository_id, o.manifest_id, o.content_id, o.role
    FROM repository_content rc CROSS JOIN old_reference o ON o.manifest_id = rc.content_id
    WHERE rc.media_type IS NOT NULL;
  INSERT INTO tag
    SELECT o.repository_id, o.name, o.content_id, o.validated_at, o.moved_at
    FROM old_tag o JOIN repository_content rc
      ON rc.repository_id = o.repository_id AND rc.content_id = o.content_id AND rc.media_type IS NOT NULL;
  INSERT INTO listing
    SELECT o.repository_id, o.key, NULL, o.body, o.validated_at
    FROM old_listing o JOIN repository r ON r.id = o.repository_id
    WHERE o.key NOT LIKE 'referrers %'
    UNION ALL
    SELECT o.repository_id, o.key, rc.content_id, o.body, o.validated_at
    FROM old_listing o JOIN content c ON c.digest = substr(o.key, 11)
      JOIN repository_content rc ON rc.repository_id = o.repository_id AND rc.content_id = c.id
    WHERE o.key LIKE 'referrers %';

  -- A manifest that has a subject and lists manifests stays a root: it may be above its own subject.
  INSERT INTO root (repository_id, content_id, registry_id, digest, used_at)
    SELECT rc.repository_id, rc.content_id, r.registry_id, c.digest, coalesce(rc.used_at, b.stored_at, 0)
    FROM repository_content rc JOIN repository r ON r.id = rc.repository_id JOIN content c ON c.id = rc.content_id
      LEFT JOIN blob b ON b.content_id = rc.content_id
    WHERE EXISTS (SELECT 1 FROM tag t WHERE t.repository_id = rc.repository_id AND t.content_id = rc.content_id)
      OR NOT EXISTS (
        SELECT 1 FROM reference f
        WHERE f.content_id = rc.content_id AND f.repository_id = rc.repository_id AND f.role <> 'subject'
      ) AND NOT EXISTS (
        SELECT 1 FROM reference f JOIN repository_content subject
          ON subject.repository_id = f.repository_id AND subject.content_id = f.content_id
        WHERE f.repository_id = rc.repository_id AND f.manifest_id = rc.content_id AND f.role = 'subject'
          AND NOT EXISTS (
            SELECT 1 FROM reference l LEFT JOIN repository_content listed
              ON listed.repository_id = l.repository_id AND listed.content_id = l.content_id
            WHERE l.repository_id = f.repository_id AND l.manifest_id = f.manifest_id AND l.role <> 'subject'
              AND (l.content_id = f.content_id OR listed.media_type IS NOT NULL)
          )
      );

  INSERT INTO registry_content
    SELECT rc.content_id, r.registry_id, count(*)
    FROM repository_content rc JOIN repository r ON r.id = rc.repository_id GROUP BY 1, 2;
  UPDATE registry SET blocks = coalesce((
    SELECT sum((b.size_bytes + 4095) / 4096) FROM registry_content rc JOIN blob b ON b.content_id = rc.content_id
    WHERE rc.registry_id = registry.id), 0);
  UPDATE repository SET
    tags = (SELECT count(*) FROM tag t WHERE t.repository_id = repository.id),
    roots = (SELECT count(*) FROM root t WHERE t.repository_id = repository.id),
    size_bytes = coalesce((
      SELECT sum(b.size_bytes) FROM repository_content rc JOIN blob b ON b.content_id = rc.content_id
      WHERE rc.repository_id = repository.id), 0),
    used_at = (SELECT max(used_at) FROM repository_content rc WHERE rc.repository_id = repository.id);
  INSERT INTO total SELECT 1, count(*), coalesce(sum((size_bytes + 4095) / 4096), 0) FROM blob;

  DROP TABLE old_listing;
  DROP TABLE old_tag;
  DROP TABLE old_repository_content;
  DROP TABLE old_reference;
  DROP TABLE old_manifest;
  DROP TABLE old_repository;

  CREATE TRIGGER blob_added AFTER INSERT ON blob BEGIN
    UPDATE total SET blobs = blobs + 1, blocks = blocks + (new.size_bytes + 4095) / 4096;
    UPDATE registry SET blocks = blocks + (new.size_bytes + 4095) / 4096
      WHERE id IN (SELECT registry_id FROM registry_content WHERE content_id = new.content_id);
    UPDATE repository SET size_bytes = size_bytes + new.size_bytes
      WHERE id IN (SELECT repository_id FROM repository_content WHERE content_id = new.content_id);
  END;
  CREATE TRIGGER blob_removed AFTER DELETE ON blob BEGIN
    UPDATE total SET blobs = blobs - 1, blocks = blocks - (old.size_bytes + 4095) / 4096;
    UPDATE registry SET blocks = blocks - (old.size_bytes + 4095) / 4096
      WHERE id IN (SELECT registry_id FROM registry_content WHERE content_id = old.content_id);
    UPDATE repository SET size_bytes = size_bytes - old.size_bytes
      WHERE id IN (SELECT repository_id FROM repository_content WHERE content_id = old.content_id);
  END;
  CREATE TRIGGER doomed_added AFTER INSERT ON doomed BEGIN
    UPDATE total SET blocks = blocks + (new.size_bytes + 4095) / 4096;
  END;
  CREATE TRIGGER doomed_removed AFTER DELETE ON doomed BEGIN
    UPDATE total SET blocks = blocks - (old.size_bytes + 4095) / 4096;
  END;
  CREATE TRIGGER repository_content_added AFTER INSERT ON repository_content BEGIN
    INSERT INTO registry_content (content_id, registry_id, repositories)
      SELECT new.content_id, registry_id, 1 FROM repository WHERE id = new.repository_id
      ON CONFLICT DO UPDATE SET repositories = repositories + 1;
    UPDATE repository SET
      size_bytes = size_bytes + coalesce((SELECT size_bytes FROM blob WHERE content_id = new.content_id), 0),
      used_at = max(coalesce(used_at, new.used_at), coalesce(new.used_at, used_at))
      WHERE id = new.repository_id;
  END;
  CREATE TRIGGER repository_content_used AFTER UPDATE OF used_at ON repository_content BEGIN
    UPDATE repository SET used_at = new.used_at
      WHERE id = new.repository_id AND (used_at IS NULL OR used_at < new.used_at);
  END;
  CREATE TRIGGER repository_content_removed AFTER DELETE ON repository_content BEGIN
    UPDATE registry_content SET repositories = repositories - 1 WHERE content_id = old.content_id
      AND registry_id = (SELECT registry_id FROM repository WHERE id = old.repository_id);
    DELETE FROM registry_content WHERE content_id = old.content_id AND repositories = 0;
    UPDATE repository
      SET size_bytes = size_bytes - coalesce((SELECT size_bytes FROM blob WHERE content_id = old.content_id), 0)
      WHERE id = old.repository_id;
  END;
  CREATE TRIGGER registry_content_added AFTER INSERT ON registry_content BEGIN
    UPDATE registry
      SET blocks = blocks + coalesce((SELECT (size_bytes + 4095) / 4096 FROM blob WHERE content_id = new.content_id), 0)
      WHERE id = new.registry_id;
  END;
  CREATE TRIGGER registry_content_removed AFTER DELETE ON registry_content BEGIN
    UPDATE registry
      SET blocks = blocks - coalesce((SELECT (size_bytes + 4095) / 4096 FROM blob WHERE content_id = old.content_id), 0)
      WHERE id = old.registry_id;
  END;
  CREATE TRIGGER tag_added AFTER INSERT ON tag BEGIN
    UPDATE repository SET tags = tags + 1 WHERE id = new.repository_id;
  END;
  CREATE TRIGGER tag_removed AFTER DELETE ON tag BEGIN
    UPDATE repository SET tags = tags - 1 WHERE id = old.repository_id;
  END;
  CREATE TRIGGER root_added AFTER INSERT ON root BEGIN
    UPDATE repository SET roots = roots + 1 WHERE id = new.repository_id;
  END;
  CREATE TRIGGER root_removed AFTER DELETE ON root BEGIN
    UPDATE repository SET roots = roots - 1 WHERE id = old.repository_id;
  END;
  `;
