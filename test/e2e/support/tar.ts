/** A file of a tar archive. */
export interface TarFile {
  /** Relative, at most 100 characters. */
  name: string;
  bytes: Uint8Array;
  /** Permission bits, default 0o644. */
  mode?: number;
}

const BLOCK_BYTES = 512;

/** An uncompressed tar archive (POSIX ustar) of plain files; the same files give the same bytes. */
export function tar(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap((file) => [header(file), file.bytes, Buffer.alloc(padding(file.bytes.length))]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)]);
}

function header({ name, bytes, mode = 0o644 }: TarFile): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(bytes.length, 11), 124);
  block.write(octal(0, 11), 136);
  block.write('        0', 148);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}
