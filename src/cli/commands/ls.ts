import type { Command } from 'commander';
import type { ImageStatus, RepositoryStatus } from '../../registry/operations/operations.ts';
import type { AdminClient } from '../admin/admin-client.ts';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { formatAge, formatSize } from '../output/format.ts';
import { say, show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';

interface LsOptions extends AdminOptions {
  readonly all: boolean;
  readonly prefix?: string;
}

type Page = { readonly after?: string; readonly limit: number };

const PAGE = 100;
/** The largest that the API gives. */
const LARGE_PAGE = 1000;

/** Adds `ls`. */
export function addLs(program: Command): void {
  adminCommand(program, 'ls [repository]', 'list what is cached: repositories, or the images of one')
    .option('--all', `list all, not just the first ${PAGE}`, false)
    .option('--prefix <prefix>', 'list the repositories whose names begin so')
    .action(async (repository: string | undefined, options: LsOptions) => {
      const client = await connect(options);
      if (repository === undefined) await listRepositories(client, options);
      else await listImages(client, repository, options);
    });
}

async function listRepositories(client: AdminClient, options: LsOptions): Promise<void> {
  const { prefix } = options;
  const ask = (page: Page) => client.repositories({ ...page, ...(prefix !== undefined && { prefix }) });
  const repositories = await gather(ask, ({ repository }) => repository, options);
  await show(repositories, options, repositoriesText);
}

async function listImages(client: AdminClient, repository: string, options: LsOptions): Promise<void> {
  if (options.prefix !== undefined) throw new WrongUse('--prefix is for the list of repositories');
  const images = await gather(
    (page) => client.images({ ...page, repository }),
    ({ digest }) => digest,
    options,
  );
  await show(images, options, imagesText);
}

/** The first page, or all of them. */
async function gather<Entry>(
  ask: (page: Page) => Promise<Entry[]>,
  keyOf: (entry: Entry) => string,
  options: LsOptions,
): Promise<Entry[]> {
  const limit = options.all ? LARGE_PAGE : PAGE;
  const found: Entry[] = [];
  while (true) {
    const last = found.at(-1);
    const page = await ask({ limit, ...(last !== undefined && { after: keyOf(last) }) });
    found.push(...page);
    if (page.length < limit) return found;
    if (!options.all) break;
  }
  say(`entrepot: these are the first ${PAGE}; --all lists all`);
  return found;
}

async function repositoriesText(repositories: readonly RepositoryStatus[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  return formatTable(
    ['REPOSITORY', 'TAGS', 'IMAGES', 'SIZE', 'LAST USED'],
    repositories.map(({ repository, tags, images, sizeBytes, usedAtMs }) => {
      return [
        repository,
        `${tags}`,
        `${images}`,
        formatSize(sizeBytes),
        usedAtMs === undefined ? '-' : formatAge(usedAtMs),
      ];
    }),
  );
}

async function imagesText(images: readonly ImageStatus[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  return formatTable(
    ['TAGS', 'SIZE', 'LAST USED', 'PINNED', 'DIGEST'],
    images.map(({ tags, sizeBytes, usedAtMs, isPinned, digest }) => {
      return [tags.join(', ') || '-', formatSize(sizeBytes), formatAge(usedAtMs), isPinned ? 'yes' : '-', digest];
    }),
  );
}
