import type { Command } from 'commander';
import type { ReplicateProgress, ReplicateReport } from '../../replication/replication-operations.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount, formatSize, printable } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';
import { differenceLine } from './difference-text.ts';

interface ReplicateOptions extends AdminOptions {
  readonly rule: string;
  readonly peer?: string;
  readonly now: boolean;
  readonly dryRun: boolean;
}

/** Adds `replicate`. */
export function addReplicate(program: Command, end: End): void {
  adminCommand(program, 'replicate', 'send what a rule is about to its peers')
    .requiredOption('--rule <name>', 'the rule')
    .option('--peer <name>', 'to this peer only')
    .option('--now', 'outside of time windows too, and wait until it is done', false)
    .option('--dry-run', 'only say what differs, and would be sent or deleted', false)
    .action(async ({ rule, peer, now, dryRun, ...options }: ReplicateOptions) => {
      const client = await connect(options);
      const request = { rule, now, dryRun, ...(peer !== undefined && { peer }) };
      const work = async (signal: AbortSignal) => {
        using progress = await startProgress('replicate');
        const tell = (step: ReplicateProgress) =>
          progress.update(step.referencesDone, step.references, progressText(step));
        return await client.replication.replicate(request, { signal, onProgress: tell });
      };
      end(
        await interruptible('what was begun goes on in the background', async (signal) => {
          const report = await work(signal);
          await show(report, options, replicateText);
          return report.failures.length === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
        }),
      );
    });
}

function progressText({ references, referencesDone, sentBytes }: ReplicateProgress): string {
  return `${referencesDone} of ${formatCount(references, 'reference')}, ${formatSize(sentBytes)} sent`;
}

function replicateText(report: ReplicateReport): string {
  const { isDryRun, isWaitedFor, references, sentBytes, failures } = report;
  if (isDryRun) return dryRunText(report);
  if (!isWaitedFor) return `${formatCount(references, 'reference')} to be looked at: see entrepot replication status`;
  const all = formatCount(references, 'reference');
  if (failures.length === 0) return `${all} done, ${formatSize(sentBytes)} sent`;
  const sum = `${references - failures.length} of ${all} done, ${formatSize(sentBytes)} sent; ${failures.length} failed`;
  return [...failures.map(failureLine), sum].join('\n');
}

/** Of a peer that failed it is not known what it lacks. */
function dryRunText({ differences, failures }: ReplicateReport): string {
  const none = failures.length === 0 ? 'nothing would be sent or deleted' : 'no difference was found until then';
  const sum = differences.length === 0 ? none : formatCount(differences.length, 'difference');
  return [...differences.map(differenceLine), ...failures.map(failureLine), sum].join('\n');
}

function failureLine({ peer, reference, error }: ReplicateReport['failures'][number]): string {
  return printable([peer, reference, error].filter((part) => part !== '').join(': '));
}
