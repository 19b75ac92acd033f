import { type DiskUsage, diskUsage } from './disk-usage.ts';
import { type Watch, watch } from './watch.ts';
import { whileStopped } from './while-stopped.ts';

/** What a folder has taken at most. */
export interface DiskUsageWatch extends Watch {
  readonly peak: DiskUsage;
}

/**
 * Measures a folder all the time.
 * @param writer the process that writes there: it stands still for each look; undefined while there is none
 */
export function watchDiskUsage(folder: string, writer: () => number | undefined): DiskUsageWatch {
  let peak: DiskUsage = { bytes: 0, parts: {} };
  const watching = watch(() => {
    const pid = writer();
    const usage = pid === undefined ? diskUsage(folder) : whileStopped(pid, () => diskUsage(folder));
    if (usage.bytes > peak.bytes) peak = usage;
  });
  return {
    get looks() {
      return watching.looks;
    },
    get peak() {
      return peak;
    },
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}
