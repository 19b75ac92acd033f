import type { Upload } from '../../content/content-store.ts';
import { RegistryError } from '../registry-error.ts';
import type { IncomingBytes } from './incoming-bytes.ts';
import type { UploadSession } from './upload-session.ts';

/**
 * Appends what a client sends to its upload, once there is room for it. Of what fails in the middle that stays which has
 * arrived.
 * @param onBytes is told how much came
 * @throws RegistryError RANGE_INVALID, SIZE_INVALID, NO_ROOM, UPLOAD_INVALID, UPLOAD_UNKNOWN; ContentError
 */
export async function takeBytes(
  session: UploadSession,
  upload: Upload,
  incoming: IncomingBytes,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { room } = session;
  const { range } = incoming;
  const wantedBytes = requiredSize(incoming);
  if (range && range.startBytes !== upload.sizeBytes) {
    const message = `upload ${upload.id} goes on at byte ${upload.sizeBytes}, not at ${range.startBytes}`;
    throw new RegistryError('RANGE_INVALID', message);
  }
  if (wantedBytes !== undefined) await room.provide(upload.sizeBytes + wantedBytes);
  let receivedBytes = 0;
  for (;;) {
    const chunks = await session.unlessCancelled(incoming.next());
    if (!chunks) break;
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    if (receivedBytes + bytes > (wantedBytes ?? Infinity)) throw wrongSize(wantedBytes, receivedBytes + bytes);
    await room.provideAhead(upload.sizeBytes + bytes);
    await upload.append(chunks);
    room.wrote(bytes);
    receivedBytes += bytes;
    onBytes(bytes);
  }
  if (receivedBytes < (wantedBytes ?? 0)) throw wrongSize(wantedBytes, receivedBytes);
}

/** How many bytes must come, by what the client announced. @throws RegistryError SIZE_INVALID when it contradicts itself */
function requiredSize({ sizeBytes, range }: IncomingBytes): number | undefined {
  const rangeBytes = range && range.endBytes - range.startBytes;
  if (rangeBytes !== undefined && sizeBytes !== undefined && rangeBytes !== sizeBytes) {
    throw new RegistryError('SIZE_INVALID', `a range of ${rangeBytes} bytes came with a length of ${sizeBytes}`);
  }
  return sizeBytes ?? rangeBytes;
}

function wrongSize(wantedBytes: number | undefined, receivedBytes: number): RegistryError {
  return new RegistryError('UPLOAD_INVALID', `${wantedBytes} bytes were announced, and ${receivedBytes} came`);
}
