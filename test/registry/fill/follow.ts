import { setImmediate as turn } from 'node:timers/promises';
import type { ContentFile, Ingest } from '../../../src/content/content-store.ts';

/** Reads what comes into an ingest, as soon as it is there, as a client of a fill does. */
export async function follow(
  ingest: Ingest,
  reader: ContentFile,
  range: { from: number; to: number; atOnce?: number },
): Promise<Buffer> {
  const { from, to, atOnce = 50_000 } = range;
  const bytes = Buffer.alloc(to - from);
  for (let position = from; position < to; ) {
    const end = Math.min(ingest.have.endFrom(position), position + atOnce, to);
    if (end <= position) {
      await turn();
      continue;
    }
    const read = await reader.read(bytes.subarray(position - from, end - from), position);
    if (read === 0) throw new Error(`nothing at ${position}, though it has come`);
    position += read;
  }
  return bytes;
}
