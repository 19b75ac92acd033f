import type { Stats } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ContentError, toContentError } from '../content-error.ts';
import type { Debris } from '../content-store.ts';
import { diskBytes, fileStats } from './file-stats.ts';
import { dashedDigest, ingestDigest, type Layout } from './layout.ts';
import { namesIn } from './names-in.ts';
import { listQuarantined } from './quarantine.ts';

/** A temporary file that came after the store was opened is left alone for so long. */
const MIN_AGE_MS = 5 * 60_000;

/** How what is left over is told from what is in use. */
export interface DebrisRules {
  readonly layout: Layout;
  /** What is older was left by an earlier run, in ms since the epoch. */
  readonly openedAtMs: number;
  /** Whether this run works with that temporary file. */
  readonly isInUse: (fileName: string) => boolean;
}

/** What is in the store, and is no content: its names are those of the files. @throws ContentError */
export async function listDebris(rules: DebrisRules): Promise<Debris[]> {
  const { layout } = rules;
  const found = await listQuarantined(layout);
  try {
    for (const name of await namesIn(layout.ingests, 'file')) {
      const stats = isTemporary(name) ? await fileStats(join(layout.ingests, name)) : undefined;
      if (!stats || !isLeftOver(rules, name, stats)) continue;
      found.push({ name, kind: 'temporary', sizeBytes: diskBytes(stats), atMs: Math.floor(stats.mtimeMs) });
    }
    return found;
  } catch (error) {
    throw toContentError(error, 'cannot look at the temporary files');
  }
}

/** Nothing happens when it is gone. @throws ContentError also for a name that {@link listDebris} does not give */
export async function removeDebris(rules: DebrisRules, name: string): Promise<void> {
  const { layout } = rules;
  try {
    if (dashedDigest(name)) return await rm(join(layout.quarantine, name), { force: true });
    if (isTemporary(name)) {
      const path = join(layout.ingests, name);
      const stats = await fileStats(path);
      if (!stats) return;
      if (isLeftOver(rules, name, stats)) return await rm(path, { force: true });
    }
  } catch (error) {
    throw toContentError(error, `cannot remove ${name}`);
  }
  throw new ContentError('STORE_FAILED', `${JSON.stringify(name)} is nothing that may be removed`);
}

/** Whether a file of the ingest folder has a name that only this program gives. */
function isTemporary(fileName: string): boolean {
  if (/^put-[0-9a-f]{16}\.tmp$/.test(fileName)) return true;
  return fileName.endsWith('.json.tmp') && ingestDigest(fileName.slice(0, -'.tmp'.length)) !== undefined;
}

function isLeftOver(rules: DebrisRules, fileName: string, stats: Stats): boolean {
  if (rules.isInUse(fileName)) return false;
  // A clock that was set back makes files of the future: they are not young.
  return stats.mtimeMs < rules.openedAtMs || Math.abs(Date.now() - stats.mtimeMs) > MIN_AGE_MS;
}
