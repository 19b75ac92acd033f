/**
 * From version 3 to 4: clocks of tags, conflicts, jobs of replication. All of them name things in full: they outlive
 * what they are about.
 */
export const VERSION_4 = `
  -- The last change of each tag; with deleted_at it is a tombstone.
  CREATE TABLE tag_clock (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    -- Of a tombstone: what the tag pointed at; NULL: that was never known here.
    digest TEXT,
    -- '': this site, before it kept clocks.
    site TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    base TEXT,
    deleted_at INTEGER,
    PRIMARY KEY (repository, tag)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tombstone_by_tag ON tag_clock(repository, tag) WHERE deleted_at IS NOT NULL;
  CREATE INDEX tombstone_by_age ON tag_clock(deleted_at) WHERE deleted_at IS NOT NULL;

  -- A clock that was ahead then is not to lead all others for ever.
  INSERT INTO tag_clock
    SELECT r.name, t.name, c.digest, '', 0, min(t.moved_at, unixepoch('now') * 1000), 0, NULL, NULL
    FROM tag t JOIN repository r ON r.id = t.repository_id JOIN content c ON c.id = t.content_id;

  -- The latest time ever seen: also that of rows that are gone.
  CREATE TABLE last_clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    ms INTEGER NOT NULL,
    count INTEGER NOT NULL
  ) STRICT;
  INSERT INTO last_clock SELECT 1, coalesce(max(ms), 0), 0 FROM tag_clock;
  CREATE TRIGGER tag_clock_added AFTER INSERT ON tag_clock BEGIN
    UPDATE last_clock SET ms = new.ms, count = new.count WHERE (ms, count) < (new.ms, new.count);
  END;
  CREATE TRIGGER tag_clock_changed AFTER UPDATE ON tag_clock BEGIN
    UPDATE last_clock SET ms = new.ms, count = new.count WHERE (ms, count) < (new.ms, new.count);
  END;

  CREATE TABLE tag_conflict (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    kept_digest TEXT NOT NULL,
    kept_site TEXT NOT NULL,
    lost_digest TEXT NOT NULL,
    lost_site TEXT NOT NULL,
    lost_ms INTEGER NOT NULL,
    lost_count INTEGER NOT NULL,
    -- 'kept' or 'lost': that of the two was a deletion.
    deletion TEXT
  ) STRICT;
  -- A change that arrives again and again is lost once.
  CREATE UNIQUE INDEX tag_conflict_by_loss ON tag_conflict(repository, tag, lost_site, lost_ms, lost_count);

  CREATE TABLE replication_job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    peer TEXT NOT NULL,
    repository TEXT NOT NULL,
    reference TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    since INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    deleted TEXT,
    is_deletion INTEGER NOT NULL AS (deleted IS NOT NULL) VIRTUAL,
    due_at INTEGER NOT NULL,
    size_bytes INTEGER,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT,
    progress TEXT,
    leased_until INTEGER,
    -- Since when, and not before when, it is wanted anew: asked for while it runs.
    next_since INTEGER,
    next_due_at INTEGER,
    -- 1: was due when somebody looked; 0: was not; NULL: is not for leasing. Those that are due are thus found by their
    -- priority, and among a hundred thousand that wait.
    is_due INTEGER,
    UNIQUE (rule, peer, repository, reference)
  ) STRICT;
  CREATE INDEX replication_job_by_turn ON replication_job(peer, rule, priority DESC, since, id) WHERE is_due = 1;
  CREATE INDEX replication_job_by_due ON replication_job(peer, rule, is_due, due_at) WHERE is_due IS NOT NULL;
  CREATE INDEX replication_job_by_lease ON replication_job(peer, leased_until) WHERE state = 'running';
  CREATE INDEX replication_job_by_state ON replication_job(rule, peer, state, is_deletion, since);

  -- Kept by triggers: the metrics look at it all the time.
  CREATE TABLE replication_job_count (
    rule TEXT NOT NULL,
    peer TEXT NOT NULL,
    state TEXT NOT NULL,
    is_deletion INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (rule, peer, state, is_deletion)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER replication_job_added AFTER INSERT ON replication_job BEGIN
    INSERT INTO replication_job_count
      VALUES (new.rule, new.peer, new.state, new.deleted IS NOT NULL, 1, coalesce(new.size_bytes, 0))
      ON CONFLICT DO UPDATE SET jobs = jobs + 1, size_bytes = size_bytes + excluded.size_bytes;
  END;
  CREATE TRIGGER replication_job_removed AFTER DELETE ON replication_job BEGIN
    UPDATE replication_job_count SET jobs = jobs - 1, size_bytes = size_bytes - coalesce(old.size_bytes, 0)
      WHERE rule = old.rule AND peer = old.peer AND state = old.state AND is_deletion = (old.deleted IS NOT NULL);
  END;
  CREATE TRIGGER replication_job_changed AFTER UPDATE OF state, deleted, size_bytes ON replication_job
    WHEN (old.state, old.deleted, old.size_bytes) IS NOT (new.state, new.deleted, new.size_bytes) BEGIN
    UPDATE replication_job_count SET jobs = jobs - 1, size_bytes = size_bytes - coalesce(old.size_bytes, 0)
      WHERE rule = old.rule AND peer = old.peer AND state = old.state AND is_deletion = (old.deleted IS NOT NULL);
    INSERT INTO replication_job_count
      VALUES (new.rule, new.peer, new.state, new.deleted IS NOT NULL, 1, coalesce(new.size_bytes, 0))
      ON CONFLICT DO UPDATE SET jobs = jobs + 1, size_bytes = size_bytes + excluded.size_bytes;
  END;

  CREATE TABLE replication_record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    peer TEXT NOT NULL,
    repository TEXT NOT NULL,
    reference TEXT NOT NULL,
    digest TEXT,
    outcome TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    sent_bytes INTEGER NOT NULL,
    error TEXT
  ) STRICT;
  `;
