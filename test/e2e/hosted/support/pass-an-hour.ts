import { join } from 'node:path';
import Database from 'better-sqlite3';

const HOUR_MS = 3_600_000;

/** Makes all that a registry which does not run has stored older by more than an hour, as if so long had passed. */
export function passAnHour(folder: string): void {
  const database = new Database(join(folder, 'index.sqlite'));
  try {
    for (const table of ['root', 'repository_content']) {
      database.prepare(`UPDATE ${table} SET used_at = used_at - ?`).run(HOUR_MS + 1000);
    }
  } finally {
    database.close();
  }
}
