import type { Command } from 'commander';
import type { RetentionReport } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount } from '../output/format.ts';
import { show } from '../output/show.ts';

interface RetentionOptions extends AdminOptions {
  readonly dryRun: boolean;
}

/** Adds `retention`. */
export function addRetention(program: Command, end: End): void {
  adminCommand(program, 'retention', 'remove from hosted repositories what no rule of retention keeps')
    .option('--dry-run', 'only say what would be removed', false)
    .action(async (options: RetentionOptions) => {
      const client = await connect(options);
      end(
        await interruptible('the mirror goes on with it', async (signal) => {
          const report = await client.retention({ dryRun: options.dryRun }, { signal, onProgress: () => undefined });
          await show(report, options, retentionText);
          return EXIT_CODE.ok;
        }),
      );
    });
}

function retentionText({ isDryRun, repositories, tags, manifests, removed }: RetentionReport): string {
  const names = removed.map(({ repository, tag, digest }) =>
    tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`,
  );
  const others = tags + manifests - removed.length;
  const what = `${formatCount(tags, 'tag')} and ${formatCount(manifests, 'image')} without a tag`;
  const where = repositories === 1 ? '1 repository' : `${repositories} repositories`;
  return [
    ...names,
    ...(others > 0 ? [`and ${others} more`] : []),
    `${isDryRun ? 'would remove' : 'removed'} ${what} of ${where} with retention`,
  ].join('\n');
}
