import type { Stats } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ContentError, toContentError } from '../content-error.ts';
import type { Debris } from '../content-store.ts';
import { diskBytes, fileStats } from './file-stats.ts';
import { dashedDigest, ingestDigest, type Layout, uploadIdOf } from './layout.ts';
import { namesIn } from './names-in.ts';
import { listQuarantined } from './quarantine.ts';
import { findUpload } from './upload-files.ts';

/** A temporary file that came after the store was opened is left alone for so long. */
const MIN_AGE_MS = 5 * 60_000;

/** How what is left over is told from what is in use. */
export interface DebrisRules {
  readonly layout: Layout;
  /** What is older was left by an earlier run, in ms since the epoch. */
  readonly openedAtMs: number;
  /** Whether this run works with that file. */
  readonly isInUse: (fileName: string) => boolean;
}

/** What is in the store, and is no content: its names are those of the files. @throws ContentError */
export async function listDebris(rules: DebrisRules): Promise<Debris[]> {
  const { layout } = rules;
  const found = await listQuarantined(layout);
  try {
    for (const folder of [layout.ingests, layout.uploads]) {
      for (const name of await namesIn(folder, 'file')) {
        const stats = folderOf(layout, name) === folder ? await fileStats(join(folder, name)) : undefined;
        if (!stats || !(await isLeftOver(rules, name, stats))) continue;
        found.push({ name, kind: 'temporary', sizeBytes: diskBytes(stats), atMs: Math.floor(stats.mtimeMs) });
      }
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
    const folder = folderOf(layout, name);
    if (folder !== undefined) {
      const path = join(folder, name);
      const stats = await fileStats(path);
      if (!stats) return;
      if (await isLeftOver(rules, name, stats)) return await rm(path, { force: true });
    }
  } catch (error) {
    throw toContentError(error, `cannot remove ${name}`);
  }
  throw new ContentError('STORE_FAILED', `${JSON.stringify(name)} is nothing that may be removed`);
}

/** Where a file lies that may turn out to be left over; undefined for names that only others give. */
function folderOf(layout: Layout, fileName: string): string | undefined {
  if (uploadIdOf(fileName) !== undefined) return layout.uploads;
  const isLedger = fileName.endsWith('.json.tmp') && ingestDigest(fileName.slice(0, -'.tmp'.length)) !== undefined;
  return isLedger || /^put-[0-9a-f]{16}\.tmp$/.test(fileName) ? layout.ingests : undefined;
}

async function isLeftOver(rules: DebrisRules, fileName: string, stats: Stats): Promise<boolean> {
  if (rules.isInUse(fileName)) return false;
  const upload = uploadIdOf(fileName);
  // One that can be gone on with is kept, however old it is.
  if (upload !== undefined && (await findUpload(rules.layout, upload))) return false;
  // A clock that was set back makes files of the future: they are not young.
  return stats.mtimeMs < rules.openedAtMs || Math.abs(Date.now() - stats.mtimeMs) > MIN_AGE_MS;
}
