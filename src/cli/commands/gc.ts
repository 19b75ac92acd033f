import type { Command } from 'commander';
import type { GarbageReport } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { formatCount, formatSize } from '../output/format.ts';
import { show } from '../output/show.ts';

interface GcOptions extends AdminOptions {
  readonly dryRun: boolean;
}

/** Adds `gc`. */
export function addGc(program: Command): void {
  adminCommand(program, 'gc', 'remove what nothing refers to: loose blobs, old interrupted downloads, leftovers')
    .option('--dry-run', 'only say what would be removed', false)
    .action(async (options: GcOptions) => {
      const client = await connect(options);
      await show(await client.collectGarbage({ dryRun: options.dryRun }), options, garbageText);
    });
}

function garbageText(report: GarbageReport): string {
  const { isDryRun, looseBlobs, interruptedIngests, debris, rows, freedBytes } = report;
  const what = [
    formatCount(looseBlobs, 'loose blob'),
    formatCount(interruptedIngests, 'interrupted download'),
    formatCount(debris, 'leftover file'),
    formatCount(rows, 'row'),
  ].join(', ');
  return isDryRun
    ? `would remove ${what}, freeing ${formatSize(freedBytes)}`
    : `removed ${what}, freed ${formatSize(freedBytes)}`;
}
