import type { Command } from 'commander';
import type { GarbageReport } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount, formatSize } from '../output/format.ts';
import { show } from '../output/show.ts';

interface GcOptions extends AdminOptions {
  readonly dryRun: boolean;
}

/** Adds `gc`. */
export function addGc(program: Command, end: End): void {
  adminCommand(program, 'gc', 'remove what nothing refers to: loose blobs, old interrupted downloads, leftovers')
    .option('--dry-run', 'only say what would be removed', false)
    .action(async (options: GcOptions) => {
      const client = await connect(options);
      end(
        await interruptible('the mirror goes on with it', async (signal) => {
          const report = await client.collectGarbage(
            { dryRun: options.dryRun },
            { signal, onProgress: () => undefined },
          );
          await show(report, options, garbageText);
          return EXIT_CODE.ok;
        }),
      );
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
