import type { Command } from 'commander';
import type { RefreshProgress, RefreshReport, WorkOptions } from '../../registry/operations/operations.ts';
import type { AdminClient } from '../admin/admin-client.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { AdminError } from '../admin/admin-error.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';

/** Adds `refresh`. */
export function addRefresh(program: Command, end: End): void {
  adminCommand(
    program,
    'refresh <image...>',
    'ask upstream now whether tags moved; without a tag, all cached ones',
  ).action(async (images: string[], options: AdminOptions) => {
    const client = await connect(options);
    end(
      await interruptible('tags that were asked about are fresh, the others as they were', async (signal) => {
        const reports = await refreshAll(client, images, signal);
        await show(reports, options, refreshText);
        return reports.some(({ result }) => result === 'failed') ? EXIT_CODE.failed : EXIT_CODE.ok;
      }),
    );
  });
}

async function refreshAll(
  client: AdminClient,
  images: readonly string[],
  signal: AbortSignal,
): Promise<RefreshReport[]> {
  using progress = await startProgress('refresh');
  const reports: RefreshReport[] = [];
  for (const [index, image] of images.entries()) {
    const onProgress = ({ tags, tagsDone }: RefreshProgress) =>
      progress.update(index + tagsDone / tags, images.length, `${image}: ${tagsDone} of ${formatCount(tags, 'tag')}`);
    reports.push(...(await refresh(client, image, { signal, onProgress })));
    progress.update(index + 1, images.length, image);
  }
  return reports;
}

/** What the mirror refuses of one image says nothing about the next one. */
async function refresh(
  client: AdminClient,
  image: string,
  work: WorkOptions<RefreshProgress>,
): Promise<RefreshReport[]> {
  try {
    return await client.refresh(image, work);
  } catch (error) {
    if (!(error instanceof AdminError) || !error.isAnswer) throw error;
    return [{ reference: image, result: 'failed', error: error.message }];
  }
}

async function refreshText(reports: readonly RefreshReport[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  return formatTable(
    ['IMAGE', 'RESULT', 'DIGEST'],
    reports.map(({ reference, result, digest, error }) => [reference, result, digest ?? error ?? '-']),
  );
}
