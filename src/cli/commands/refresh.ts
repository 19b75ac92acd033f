import type { Command } from 'commander';
import type { RefreshReport } from '../../registry/operations/operations.ts';
import type { AdminClient } from '../admin/admin-client.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { AdminError } from '../admin/admin-error.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { show } from '../output/show.ts';

/** Adds `refresh`. */
export function addRefresh(program: Command, end: End): void {
  adminCommand(
    program,
    'refresh <image...>',
    'ask upstream now whether tags moved; without a tag, all cached ones',
  ).action(async (images: string[], options: AdminOptions) => {
    const client = await connect(options);
    const reports: RefreshReport[] = [];
    for (const image of images) reports.push(...(await refresh(client, image)));
    await show(reports, options, refreshText);
    if (reports.some(({ result }) => result === 'failed')) end(EXIT_CODE.failed);
  });
}

/** What the mirror refuses of one image says nothing about the next one. */
async function refresh(client: AdminClient, image: string): Promise<RefreshReport[]> {
  try {
    return await client.refresh(image);
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
