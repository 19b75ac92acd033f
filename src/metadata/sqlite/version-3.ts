/**
 * From version 2 to 3: the event log. It names things in full, since an event outlives what it is about. Without
 * AUTOINCREMENT the number of the newest event would be given again once the log was emptied.
 */
export const VERSION_3 = `
  CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    tag TEXT,
    media_type TEXT,
    size_bytes INTEGER,
    previous TEXT,
    actor TEXT,
    origin_site TEXT,
    origin_sequence INTEGER
  ) STRICT;
  `;
