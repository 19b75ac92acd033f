import type { Command } from 'commander';
import { parseRate } from '../../config/rate.ts';
import type { VerifyProgress, VerifyReport, VerifyRequest } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount, formatSize } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';

interface VerifyOptions extends AdminOptions {
  readonly repository?: string;
  readonly all: boolean;
  readonly rate?: string;
}

/** Adds `verify`. */
export function addVerify(program: Command, end: End): void {
  adminCommand(program, 'verify [image]', 'hash content again, and fetch again what is damaged or missing')
    .option('--repository <name>', 'all of this repository')
    .option('--all', 'everything', false)
    .option('--rate <rate>', 'the most to read, such as 50MiB/s (default: as fast as the disk is)')
    .action(async (image: string | undefined, options: VerifyOptions) => {
      const request = requestOf(image, options);
      const client = await connect(options);
      const work = async (signal: AbortSignal) => {
        using progress = await startProgress('verify');
        const tell = (now: VerifyProgress) => progress.update(now.bytesDone, now.bytes, progressText(now));
        const report = await client.verify(request, { signal, onProgress: tell });
        tell(report);
        return report;
      };
      end(
        await interruptible('what was found damaged is healed', async (signal) => {
          const report = await work(signal);
          await show(report, options, verifyText);
          return lostIn(report).length === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
        }),
      );
    });
}

function requestOf(image: string | undefined, { repository, all, rate }: VerifyOptions): VerifyRequest {
  if ([image, repository, all || undefined].filter((scope) => scope !== undefined).length !== 1) {
    throw new WrongUse('say what to verify: an image, --repository NAME or --all');
  }
  const bytesPerSecond = rate === undefined ? undefined : parseRate(rate);
  if (rate !== undefined && !bytesPerSecond)
    throw new WrongUse(`--rate ${rate} is not a rate; write for example 50MiB/s`);
  return {
    ...(image !== undefined && { image }),
    ...(repository !== undefined && { repository }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
  };
}

function progressText({ blobs, blobsDone, bytes, bytesDone }: VerifyProgress): string {
  return `${blobsDone} of ${formatCount(blobs, 'blob')}, ${formatSize(bytesDone)} of ${formatSize(bytes)}`;
}

function verifyText(report: VerifyReport): string {
  const { blobsDone, bytesDone, damaged, missing, healed } = report;
  const mended = new Set(healed);
  const lineOf = (what: string) => (digest: string) => `${digest} was ${what}${mended.has(digest) ? ', healed' : ''}`;
  const sums = [`${damaged.length} damaged`, `${missing.length} missing`, `${healed.length} healed`].join(', ');
  return [
    ...damaged.map(lineOf('damaged')),
    ...missing.map(lineOf('missing')),
    `verified ${formatCount(blobsDone, 'blob')}, ${formatSize(bytesDone)}: ${sums}`,
  ].join('\n');
}

function lostIn({ damaged, missing, healed }: VerifyReport): string[] {
  const mended = new Set(healed);
  return [...damaged, ...missing].filter((digest) => !mended.has(digest));
}
