import type { Command } from 'commander';
import type { PurgeTarget } from '../../registry/operations/operations.ts';
import type { AdminClient } from '../admin/admin-client.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { canConfirm, confirm } from '../confirm.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { say, show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';
import { followRemoval, REMOVAL_HINT, removalLine, removalText } from './removal-text.ts';

interface PurgeOptions extends AdminOptions {
  readonly repository?: string;
  readonly upstream?: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** Adds `purge`. */
export function addPurge(program: Command, end: End): void {
  adminCommand(program, 'purge [image]', 'remove an image, a repository or all that came from an upstream')
    .option('--repository <name>', 'remove all of this repository')
    .option('--upstream <name>', 'remove all of this upstream')
    .option('--dry-run', 'only say what would be removed', false)
    .option('--yes', 'do not ask', false)
    .action(async (image: string | undefined, options: PurgeOptions) => {
      const target = targetOf(image, options);
      const client = await connect(options);
      const { dryRun } = options;
      if (!dryRun && !(await isAgreed(client, target, options))) {
        say('entrepot: nothing was removed');
        end(EXIT_CODE.failed);
        return;
      }
      end(
        await interruptible(REMOVAL_HINT, async (signal) => {
          const report = await followRemoval('purge', signal, (work) => client.purge(target, { dryRun }, work));
          await show(report, options, (shown) => removalText(shown, 'purge'));
          return EXIT_CODE.ok;
        }),
      );
    });
}

function targetOf(image: string | undefined, { repository, upstream }: PurgeOptions): PurgeTarget {
  if ([image, repository, upstream].filter((name) => name !== undefined).length === 1) {
    if (image !== undefined) return { image };
    if (repository !== undefined) return { repository };
    if (upstream !== undefined) return { upstream };
  }
  throw new WrongUse('say what to remove: an image, --repository NAME or --upstream NAME');
}

/** At a terminal its user is shown what would go; without one, more than an image needs a word beforehand. */
async function isAgreed(client: AdminClient, target: PurgeTarget, { yes }: PurgeOptions): Promise<boolean> {
  if (yes) return true;
  if (!canConfirm()) {
    if ('image' in target) return true;
    throw new WrongUse('there is no terminal to ask at: say --yes to remove it all, or --dry-run to see what would go');
  }
  return await confirm(`This ${removalLine(await client.purge(target, { dryRun: true }), 'purge')}. Go on?`);
}
