/** Disks hand out space in blocks, of this size nearly everywhere. */
const BLOCK_BYTES = 4096;

/** What so many bytes take on a disk. */
export function diskBytesOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}
