import type { RemovalReport } from '../../registry/operations/operations.ts';
import { formatCount, formatSize, printable } from '../output/format.ts';

/** What was removed, or would be: the images and a last line with the sums. */
export function removalText(report: RemovalReport): string {
  const { images, imageCount } = report;
  const lines = images.map(({ repository, tags, digest }) => printable([`${repository}@${digest}`, ...tags].join(' ')));
  if (imageCount > images.length) lines.push(`... and ${formatCount(imageCount - images.length, 'more image')}`);
  return [...lines, removalLine(report)].join('\n');
}

/** The sums in one line. */
export function removalLine({ isDryRun, imageCount, blobs, freedBytes, pinned }: RemovalReport): string {
  const what = `${formatCount(imageCount, 'image')} and ${formatCount(blobs, 'blob')}`;
  const passed = pinned === 0 ? '' : `; ${formatCount(pinned, 'pinned image')} ${isDryRun ? 'would stay' : 'stayed'}`;
  return isDryRun
    ? `would remove ${what}, freeing ${formatSize(freedBytes)}${passed}`
    : `removed ${what}, freed ${formatSize(freedBytes)}${passed}`;
}
