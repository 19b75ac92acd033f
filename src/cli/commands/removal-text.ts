import type { RemovalProgress, RemovalReport, WorkOptions } from '../../registry/operations/operations.ts';
import { formatCount, formatSize, printable } from '../output/format.ts';
import { startProgress } from '../output/progress.ts';

/** What a command says that is ended early. */
export const REMOVAL_HINT = 'what was removed by then is gone, the rest stays';

/** What removes: an eviction passes pinned images over, a purge takes them too. */
export type RemovalKind = 'eviction' | 'purge';

/** What was removed, or would be: the images and a last line with the sums. */
export function removalText(report: RemovalReport, kind: RemovalKind): string {
  const { images, imageCount } = report;
  const lines = images.map(({ repository, tags, digest }) => printable([`${repository}@${digest}`, ...tags].join(' ')));
  if (imageCount > images.length) lines.push(`... and ${formatCount(imageCount - images.length, 'more image')}`);
  return [...lines, removalLine(report, kind)].join('\n');
}

/** The sums in one line. */
export function removalLine(report: RemovalReport, kind: RemovalKind): string {
  const { isDryRun, imageCount, blobs, freedBytes, pinned } = report;
  const what = `${formatCount(imageCount, 'image')} and ${formatCount(blobs, 'blob')}`;
  const note = pinned === 0 ? '' : `; ${pinnedNote(report, kind)}`;
  return isDryRun
    ? `would remove ${what}, freeing ${formatSize(freedBytes)}${note}`
    : `removed ${what}, freed ${formatSize(freedBytes)}${note}`;
}

function pinnedNote({ isDryRun, pinned }: RemovalReport, kind: RemovalKind): string {
  const images = formatCount(pinned, 'pinned image');
  if (kind === 'purge') return `${images} among them`;
  return `${images} ${isDryRun ? 'would stay' : 'stayed'}`;
}

/** Removes on behalf of a command, showing how far it is. */
export async function followRemoval(
  label: string,
  signal: AbortSignal,
  remove: (work: WorkOptions<RemovalProgress>) => Promise<RemovalReport>,
): Promise<RemovalReport> {
  using progress = await startProgress(label);
  const onProgress = ({ imageCount, freedBytes, share }: RemovalProgress) =>
    progress.update(share, 1, `${formatCount(imageCount, 'image')}, ${formatSize(freedBytes)}`);
  const report = await remove({ signal, onProgress });
  onProgress({ ...report, share: 1 });
  return report;
}
