import type { Command } from 'commander';
import { parseSize } from '../../config/size.ts';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';
import { removalText } from './removal-text.ts';

interface EvictOptions extends AdminOptions {
  readonly to: string;
  readonly dryRun: boolean;
}

/** Adds `evict`. */
export function addEvict(program: Command): void {
  adminCommand(program, 'evict', 'remove the images that were not used for longest, until the content is small enough')
    .requiredOption('--to <size>', 'how large the content may stay, such as 50GiB')
    .option('--dry-run', 'only say what would be removed', false)
    .action(async (options: EvictOptions) => {
      const { to, dryRun } = options;
      const toBytes = parseSize(to);
      if (toBytes === undefined) throw new WrongUse(`--to ${to} is not a size; write for example 50GiB, 512MiB or 0`);
      const client = await connect(options);
      await show(await client.evict({ toBytes, dryRun }), options, removalText);
    });
}
