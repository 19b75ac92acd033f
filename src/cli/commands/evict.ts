import type { Command } from 'commander';
import { parseSize } from '../../config/size.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';
import { followRemoval, REMOVAL_HINT, removalText } from './removal-text.ts';

interface EvictOptions extends AdminOptions {
  readonly to: string;
  readonly dryRun: boolean;
}

/** Adds `evict`. */
export function addEvict(program: Command, end: End): void {
  adminCommand(program, 'evict', 'remove the images that were not used for longest, until the content is small enough')
    .requiredOption('--to <size>', 'how much may stay in use, downloads and the index included, such as 50GiB')
    .option('--dry-run', 'only say what would be removed', false)
    .action(async (options: EvictOptions) => {
      const { to, dryRun } = options;
      const toBytes = parseSize(to);
      if (toBytes === undefined) throw new WrongUse(`--to ${to} is not a size; write for example 50GiB, 512MiB or 0`);
      const client = await connect(options);
      end(
        await interruptible(REMOVAL_HINT, async (signal) => {
          const report = await followRemoval('evict', signal, (work) => client.evict({ toBytes, dryRun }, work));
          await show(report, options, (shown) => removalText(shown, 'eviction'));
          return EXIT_CODE.ok;
        }),
      );
    });
}
