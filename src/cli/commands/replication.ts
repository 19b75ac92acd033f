import type { Command } from 'commander';
import type { DiffProgress, JobState } from '../../replication/replication-operations.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';
import { conflictsText, diffText, historyText, jobsText, statusText } from './replication-text.ts';

interface LinkOptions extends AdminOptions {
  readonly rule?: string;
  readonly peer?: string;
}

const ROWS = 100;
const STATES: readonly JobState[] = ['pending', 'running', 'waiting', 'parked', 'held'];

/** Adds `replication` and what can be done about it. */
export function addReplication(program: Command, end: End): void {
  const group = program.command('replication').description('see and steer what is sent to peers');
  addStatus(group);
  addLists(group);
  addDiff(group, end);
  addSteering(group);
}

function addStatus(group: Command): void {
  adminCommand(group, 'status', 'how far each rule is with each peer').action(async (options: AdminOptions) => {
    const client = await connect(options);
    await show(await client.replication.status(), options, statusText);
  });
}

function addLists(group: Command): void {
  linkCommand(group, 'jobs', `what is not there yet, the first ${ROWS}`)
    .option('--state <state>', `only jobs that are ${STATES.join(', ')}`)
    .action(async ({ state, ...options }: LinkOptions & { state?: string }) => {
      const known = STATES.find((name) => name === state);
      if (state !== undefined && !known) throw new WrongUse(`--state ${state} is none; write ${STATES.join(', ')}`);
      const client = await connect(options);
      const query = { ...linkOf(options), ...(known && { state: known }), limit: ROWS };
      await show(await client.replication.jobs(query), options, jobsText);
    });
  linkCommand(group, 'history', `the last ${ROWS} jobs that ended`).action(async (options: LinkOptions) => {
    const client = await connect(options);
    await show(await client.replication.history({ ...linkOf(options), limit: ROWS }), options, historyText);
  });
  adminCommand(group, 'conflicts', 'tags that were set at two sites at once, and what lost').action(
    async (options: AdminOptions) => {
      const client = await connect(options);
      await show(await client.replication.conflicts({ limit: ROWS }), options, conflictsText);
    },
  );
}

function addDiff(group: Command, end: End): void {
  adminCommand(group, 'diff <peer>', 'compare the tags here with those at a peer; exit code 1 if they differ')
    .option('--rule <name>', 'only what this rule sends')
    .action(async (peer: string, { rule, ...options }: AdminOptions & { rule?: string }) => {
      const client = await connect(options);
      const query = { peer, ...(rule !== undefined && { rule }) };
      const work = async (signal: AbortSignal) => {
        using progress = await startProgress('diff');
        const tell = ({ repositories, repositoriesDone, tags }: DiffProgress) =>
          progress.update(repositoriesDone, repositories, formatCount(tags, 'tag'));
        return await client.replication.diff(query, { signal, onProgress: tell });
      };
      end(
        await interruptible('nothing was changed', async (signal) => {
          const report = await work(signal);
          await show(report, options, diffText);
          return report.differenceCount === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
        }),
      );
    });
}

function addSteering(group: Command): void {
  const change = (name: 'pause' | 'resume', past: string, description: string) =>
    linkCommand(group, name, description).action(async (options: LinkOptions) => {
      const client = await connect(options);
      const link = linkOf(options);
      await client.replication[name](link);
      await show(link, options, () => `${describeLink(link)} ${past}`);
    });
  change('pause', 'paused', 'send nothing more; it survives a restart');
  change('resume', 'resumed', 'send again');
  linkCommand(group, 'retry', 'try parked jobs, and those that wait for another try, now')
    .option('--job <number>', 'only this job')
    .action(async ({ job, ...options }: LinkOptions & { job?: string }) => {
      if (job !== undefined && !/^[1-9]\d{0,14}$/.test(job))
        throw new WrongUse(`--job ${job} is not a number of a job`);
      const client = await connect(options);
      const what = { ...linkOf(options), ...(job !== undefined && { job: Number(job) }) };
      await show(await client.replication.retry(what), options, ({ jobs }) => retryText(jobs));
    });
  adminCommand(group, 'approve', 'let deletions happen that are more than maxDelete allows')
    .requiredOption('--rule <name>', 'of this rule')
    .requiredOption('--peer <name>', 'at this peer')
    .action(async ({ rule, peer, ...options }: AdminOptions & { rule: string; peer: string }) => {
      const client = await connect(options);
      const approved = await client.replication.approve({ rule, peer });
      await show(approved, options, ({ jobs }) => `${formatCount(jobs, 'deletion')} may go on`);
    });
}

/** Jobs that wait for a peer that is down are due all the time. */
function retryText(jobs: number): string {
  return `${formatCount(jobs, 'job')} due now; peers that are down are asked whether they are there again`;
}

function linkCommand(group: Command, usage: string, description: string): Command {
  return adminCommand(group, usage, description)
    .option('--rule <name>', 'of this rule only')
    .option('--peer <name>', 'to this peer only');
}

function linkOf({ rule, peer }: LinkOptions): { rule?: string; peer?: string } {
  return { ...(rule !== undefined && { rule }), ...(peer !== undefined && { peer }) };
}

function describeLink({ rule, peer }: { rule?: string; peer?: string }): string {
  const what = rule === undefined ? 'replication' : `rule ${rule}`;
  return peer === undefined ? what : `${what} to ${peer}`;
}
