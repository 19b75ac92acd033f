import type { Stats } from 'node:fs';
import { lstat, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Digest } from '../../oci/digest.ts';
import { isMissing, toContentError } from '../content-error.ts';
import type { Debris } from '../content-store.ts';
import type { Condemned } from './condemned.ts';
import { syncFolder } from './durable.ts';
import { diskBytes, fileStats } from './file-stats.ts';
import type { Folders } from './folders.ts';
import { dashedDigest, type Layout } from './layout.ts';
import { namesIn } from './names-in.ts';

const MAX_FILES = 16;
const MAX_BYTES = 1024 * 1024 * 1024;

export interface QuarantineParts {
  readonly layout: Layout;
  readonly folders: Folders;
  readonly condemned: Condemned;
}

/**
 * Puts a file aside, removes it where that cannot be, and otherwise remembers it: damaged content must not be served.
 * @throws ContentError
 */
export async function quarantine({ layout, folders, condemned }: QuarantineParts, digest: Digest): Promise<void> {
  const path = layout.blob(digest);
  try {
    if (!(await isMovedAside(layout, folders, digest))) await rm(path, { recursive: true, force: true });
    // A power cut must not bring it back.
    await syncFolder(dirname(path));
  } catch (error) {
    if (isMissing(error)) return;
    await condemned.add(digest, path).catch(() => {
      throw toContentError(error, `cannot put ${digest} aside`);
    });
  }
}

/** The files that were put aside, the oldest first. @throws ContentError */
export async function listQuarantined(layout: Layout): Promise<Debris[]> {
  const found: Debris[] = [];
  for (const name of await namesIn(layout.quarantine, 'file')) {
    if (!dashedDigest(name)) continue;
    const stats = await fileStats(join(layout.quarantine, name)).catch((error: unknown) => {
      throw toContentError(error, `cannot look at ${name}`);
    });
    // Its content is older; moving a file changes its ctime (rename(2)).
    if (stats) found.push({ name, kind: 'quarantined', sizeBytes: sizeOf(stats), atMs: Math.floor(stats.ctimeMs) });
  }
  return found.sort((a, b) => a.atMs - b.atMs);
}

async function isMovedAside(layout: Layout, folders: Folders, digest: Digest): Promise<boolean> {
  const from = layout.blob(digest);
  const to = layout.quarantined(digest);
  const stats = await lstat(from);
  if (!stats.isFile() || sizeOf(stats) > MAX_BYTES) return false;
  try {
    await makeRoom(layout, digest, sizeOf(stats));
    await folders.within(layout.quarantine, () => rename(from, to));
    return true;
  } catch {
    // Whatever it is: a read-only disk says of folders to be made that they are not there.
    return false;
  }
}

/** Before the file comes, so that there is never more than may be. */
async function makeRoom(layout: Layout, digest: Digest, sizeBytes: number): Promise<void> {
  const others = (await listQuarantined(layout)).filter(({ name }) => dashedDigest(name) !== digest);
  let bytes = others.reduce((sum, other) => sum + other.sizeBytes, sizeBytes);
  let files = others.length + 1;
  for (const oldest of others) {
    if (files <= MAX_FILES && bytes <= MAX_BYTES) return;
    await rm(join(layout.quarantine, oldest.name), { force: true });
    bytes -= oldest.sizeBytes;
    files -= 1;
  }
}

/** A damaged file may have holes, and may be longer than its content was. */
function sizeOf(stats: Stats): number {
  return Math.max(stats.size, diskBytes(stats));
}
