import type * as z from 'zod';
import type { StorageConfig } from './config.ts';
import { size, text } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { map } from './structures.ts';

export const storageSchema = map({
  path: text().prefault('./data'),
  // Less than this would not hold one image.
  quota: size({ min: '1MiB' }).optional(),
  minFree: size().prefault('2GiB'),
});

/** The storage section, its folder found but not touched. */
export function resolveStorage(raw: z.output<typeof storageSchema>, reader: SectionReader): StorageConfig {
  const { path, quota, minFree } = raw;
  return {
    path: reader.resolvePath(path),
    ...(quota === undefined ? {} : { quotaBytes: quota }),
    minFreeBytes: minFree,
  };
}
