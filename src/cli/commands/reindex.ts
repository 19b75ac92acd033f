import type { Command } from 'commander';
import { link, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { End } from '../admin/admin-command.ts';
import type { ReindexReport, SalvagedNames } from '../../registry/upkeep/reindexing.ts';
import { CodedError } from '../../util/coded-error.ts';
import { chooseConfig, CONFIG_HELP } from '../config-file.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { formatSize } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';

interface ReindexOptions {
  readonly config?: string;
  readonly json: boolean;
  readonly verify: boolean;
  readonly force: boolean;
}

/** What came of it: the registry's report, and what is to be known of the old index. */
interface Outcome extends ReindexReport {
  /** Where the old index is now. */
  readonly keptAs: string | null;
  /** What of it could not be read. */
  readonly problems: readonly string[];
}

/** An index is its file and what SQLite keeps beside it. */
const BESIDE = ['-wal', '-shm'] as const;
const SUFFIXES = ['', ...BESIDE] as const;

/** Adds `reindex`, which works on the data directory itself: no server may be using it. */
export function addReindex(program: Command, end: End): void {
  program
    .command('reindex')
    .description('rebuild a lost or damaged index from the stored files; the mirror must not be running')
    .option('--config <file>', CONFIG_HELP)
    .option('--json', 'print JSON for programs', false)
    .option('--no-verify', 'do not hash every file, only manifests: the scrub finds the rest')
    .option('--force', 'also where the index can be opened', false)
    .action(async (options: ReindexOptions) => {
      const { loadConfig } = await import('../../config/load.ts');
      const config = await loadConfig(await chooseConfig(options.config));
      const outcome = await rebuild(config, options);
      await show(outcome, options, describe);
      end(outcome.damaged.length > 0 ? EXIT_CODE.failed : EXIT_CODE.ok);
    });
}

async function rebuild(config: Config, { verify, force }: ReindexOptions): Promise<Outcome> {
  // Loaded late: no other command needs the server's native parts.
  const { SqliteIndex } = await import('../../metadata/sqlite/sqlite-index.ts');
  const { DiskStore } = await import('../../content/disk/disk-store.ts');
  const { syncFolder } = await import('../../content/disk/durable.ts');
  const { reindex } = await import('../../registry/upkeep/reindexing.ts');
  const { HostedRules } = await import('../../registry/pushing/hosted-rules.ts');
  const rules = new HostedRules(config.hostedRules);
  const file = join(config.storage.path, 'index.sqlite');
  const draft = `${file}.rebuilt`;
  const isThere = await exists(file);
  if (isThere) await refuseInUse(file, force);
  const { problems, ...names } = isThere ? await salvaged(file) : { ...NOTHING, problems: ['there was no index'] };
  await removeIndex(draft);
  await using store = await DiskStore.open(config.storage.path);
  const report = await (async () => {
    await using index = new SqliteIndex(draft, { onFlushError: rethrow, site: config.site });
    using progress = await startProgress('reindex');
    return await reindex({
      store,
      index,
      names,
      isSparse: (repository) => rules.of(repository).isSparse,
      verify,
      manifestLimitBytes: config.pull.manifestLimitBytes,
      onProgress: (blobs) => progress.update(blobs, 0, `${blobs} files`),
    });
  })();
  const keptAs = isThere ? `${file}.old-${new Date().toISOString().replaceAll(/[:.]/g, '-')}` : null;
  if (keptAs !== null) await setAside(file, keptAs);
  await renameIndex(draft, file);
  await syncFolder(dirname(file));
  return { ...report, keptAs, problems };
}

const NOTHING: SalvagedNames = {
  tags: [],
  manifests: [],
  links: new Map(),
  areLinksWhole: false,
  pins: [],
  notes: [],
  clocks: [],
  events: [],
  lastEvent: undefined,
};

/** @throws CodedError INDEX_IN_USE, WrongUse for an index that needs no rebuilding */
async function refuseInUse(file: string, force: boolean): Promise<void> {
  const { SqliteIndex } = await import('../../metadata/sqlite/sqlite-index.ts');
  // SQLite takes an empty file for a new database: what was cut off is as lost as what is damaged.
  if ((await stat(file)).size === 0) return;
  try {
    await using _index = new SqliteIndex(file, { onFlushError: rethrow });
  } catch (error) {
    if (error instanceof CodedError && error.code === 'INDEX_CORRUPT') return;
    throw error;
  }
  if (!force) throw new WrongUse(`${file} can be opened: nothing is to be rebuilt. --force rebuilds it all the same`);
}

async function salvaged(file: string): Promise<SalvagedNames & { problems: readonly string[] }> {
  const { salvage } = await import('../../metadata/sqlite/salvage.ts');
  const { blobs: _, pins, ...salvagedNames } = salvage(file);
  return { ...salvagedNames, pins: pins.map(({ pattern }) => pattern) };
}

/** The file stays under its own name too until the new one takes its place: broken off in between, there is an index still. */
async function setAside(file: string, keptAs: string): Promise<void> {
  // Not all disks know a second name for a file.
  await link(file, keptAs).catch(() => rename(file, keptAs));
  for (const suffix of BESIDE) if (await exists(file + suffix)) await rename(file + suffix, keptAs + suffix);
}

async function renameIndex(from: string, to: string): Promise<void> {
  for (const suffix of SUFFIXES) if (await exists(from + suffix)) await rename(from + suffix, to + suffix);
}

async function removeIndex(file: string): Promise<void> {
  for (const suffix of SUFFIXES) await rm(file + suffix, { force: true });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function rethrow(error: unknown): never {
  throw error;
}

function describe(outcome: Outcome): string {
  const { blobs, bytes, manifests, repositories, tags, pins, events, namelessManifests } = outcome;
  const { damaged, lostTags, keptAs, problems } = outcome;
  const lines = [
    `${blobs} files (${formatSize(bytes)}), ${manifests} manifests, ${repositories} repositories, ${tags} tags, ${pins} pins, ${events} events`,
  ];
  if (namelessManifests > 0) {
    lines.push(`names unknown of ${namelessManifests} manifests: they are used when a client asks for them by name`);
  }
  if (lostTags.length > 0) lines.push(`tags without a stored manifest: ${lostTags.join(', ')}`);
  if (damaged.length > 0) lines.push(`damaged, put aside: ${damaged.join(', ')}`);
  for (const problem of problems) lines.push(`not recovered: ${problem}`);
  if (keptAs !== null) lines.push(`the old index is ${keptAs}`);
  return lines.join('\n');
}
