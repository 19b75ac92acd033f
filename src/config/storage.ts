import type * as z from 'zod';
import type { StorageConfig } from './config.ts';
import { percentage, size, text } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { map } from './structures.ts';

export const storageSchema = map({
  path: text().prefault('./data'),
  quota: quota().optional(),
  minFree: size().prefault('2GiB'),
  lowWatermark: percentage({ min: '0.01%' }).prefault('90%'),
});

/** What content may take. */
export function quota() {
  // Less than this would not hold one image.
  return size({ min: '1MiB' });
}

/** The storage section, its folder found but not touched. */
export function resolveStorage(raw: z.output<typeof storageSchema>, reader: SectionReader): StorageConfig {
  const { path, quota: quotaBytes, minFree, lowWatermark } = raw;
  return {
    path: reader.resolvePath(path),
    ...(quotaBytes !== undefined && { quotaBytes }),
    minFreeBytes: minFree,
    lowWatermark,
  };
}
