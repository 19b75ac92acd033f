import type { Command } from 'commander';
import type { WarmProgress, WarmReport, WarmRequest } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect, type End } from '../admin/admin-command.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { interruptible } from '../interruptible.ts';
import { formatCount, formatSize, printable } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';
import { readImageList } from './image-list.ts';

interface WarmOptions extends AdminOptions {
  readonly file?: string;
  readonly platform: readonly string[];
  readonly concurrency?: string;
}

/** Adds `warm`. */
export function addWarm(program: Command, end: End): void {
  adminCommand(
    program,
    'warm [image...]',
    'fetch images ahead; the tag may be a pattern: "docker.io/library/debian:12*"',
  )
    .option('--file <list>', 'fetch those of this file too, one on a line, # comments; - is the standard input')
    .option(
      '--platform <platform>',
      'such as linux/amd64 or linux/amd64,linux/arm64; may be given again (default: all)',
      append,
      [],
    )
    .option('--concurrency <number>', 'blobs at a time (default: 3)')
    .action(async (images: string[], options: WarmOptions) => {
      const request = await requestOf(images, options);
      const client = await connect(options);
      const work = async (signal: AbortSignal) => {
        using progress = await startProgress('warm');
        const tell = (now: WarmProgress) => progress.update(now.bytesDone, now.bytes, progressText(now));
        const report = await client.warm(request, { signal, onProgress: tell });
        tell(report);
        return report;
      };
      end(
        await interruptible('warming again goes on where it stopped', async (signal) => {
          const report = await work(signal);
          await show(report, options, warmText);
          return report.failures.length === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
        }),
      );
    });
}

async function requestOf(named: readonly string[], options: WarmOptions): Promise<WarmRequest> {
  const { file, platform: platforms, concurrency } = options;
  const images = [...named, ...(file === undefined ? [] : await readImageList(file))];
  if (images.length === 0) throw new WrongUse('name an image, or a list of images with --file');
  if (concurrency === undefined) return { images, platforms };
  if (!/^[1-9]\d?$/.test(concurrency)) throw new WrongUse(`--concurrency ${concurrency} is not a number from 1 to 64`);
  return { images, platforms, concurrency: Number(concurrency) };
}

function append(value: string, before: readonly string[]): readonly string[] {
  return [...before, ...value.split(',')];
}

function progressText({ images, imagesDone, bytes, bytesDone }: WarmProgress): string {
  return `${imagesDone} of ${formatCount(images, 'image')}, ${formatSize(bytesDone)} of ${formatSize(bytes)}`;
}

function warmText({ images, blobs, bytes, fetchedBytes, failures }: WarmReport): string {
  const lines = failures.map(({ image, error }) => printable(`${image}: ${error}`));
  const failed = failures.length === 0 ? '' : `; ${failures.length} failed`;
  const sums = `${formatCount(images, 'image')}, ${formatCount(blobs, 'blob')}, ${formatSize(bytes)}`;
  return [...lines, `warmed ${sums}; ${formatSize(fetchedBytes)} fetched${failed}`].join('\n');
}
