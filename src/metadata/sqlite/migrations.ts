import { VERSION_2 } from './version-2.ts';
import { VERSION_3 } from './version-3.ts';
import { VERSION_4 } from './version-4.ts';

/**
 * The schema's history: entry N brings an index from version N to N + 1 (`PRAGMA user_version`). Entries are never
 * changed once released.
 *
 * `content` gives each digest that was ever seen a small number, stored or not, so that the large tables hold integers.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE repository (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE blob (
    content_id INTEGER PRIMARY KEY REFERENCES content(id),
    size_bytes INTEGER NOT NULL,
    stored_at INTEGER NOT NULL
  ) STRICT;

  -- Kept by triggers, because counting a million rows for each look at the metrics would take too long.
  CREATE TABLE total (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    blobs INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO total VALUES (1, 0, 0);
  CREATE TRIGGER blob_added AFTER INSERT ON blob BEGIN
    UPDATE total SET blobs = blobs + 1, size_bytes = size_bytes + new.size_bytes;
  END;
  CREATE TRIGGER blob_removed AFTER DELETE ON blob BEGIN
    UPDATE total SET blobs = blobs - 1, size_bytes = size_bytes - old.size_bytes;
  END;

  CREATE TABLE manifest (
    content_id INTEGER PRIMARY KEY REFERENCES content(id),
    media_type TEXT NOT NULL,
    artifact_type TEXT
  ) STRICT;

  CREATE TABLE reference (
    manifest_id INTEGER NOT NULL REFERENCES manifest(content_id),
    content_id INTEGER NOT NULL REFERENCES content(id),
    role TEXT NOT NULL,
    PRIMARY KEY (manifest_id, content_id, role)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX reference_by_content ON reference(content_id);

  CREATE TABLE repository_content (
    repository_id INTEGER NOT NULL REFERENCES repository(id),
    content_id INTEGER NOT NULL REFERENCES content(id),
    -- What a descriptor in this repository says: one repository's lie must not break another one's pulls.
    size_bytes INTEGER,
    used_at INTEGER,
    PRIMARY KEY (repository_id, content_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX repository_content_by_content ON repository_content(content_id);

  CREATE TABLE tag (
    repository_id INTEGER NOT NULL REFERENCES repository(id),
    name TEXT NOT NULL,
    content_id INTEGER NOT NULL REFERENCES manifest(content_id),
    validated_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tag_by_content ON tag(content_id);

  CREATE TABLE listing (
    repository_id INTEGER NOT NULL REFERENCES repository(id),
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    validated_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, key)
  ) STRICT, WITHOUT ROWID;
  `,
  VERSION_2,
  VERSION_3,
  VERSION_4,
];
