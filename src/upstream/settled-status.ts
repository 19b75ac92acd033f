import { sleep } from '../util/sleep.ts';
import { type UploadState, uploadStatus, type UploadTarget } from './uploads.ts';

/** The bytes of a connection that broke are still being written by the registry when another one asks for them. */
const SETTLE_MS = 200;
const MAX_LOOKS = 15;

/**
 * Where an upload stands once it moves no more: what is sent from any earlier place is sent for nothing.
 * @param sizeBytes of the whole blob: beyond it nothing comes
 * @returns undefined: it is no more
 */
export async function settledStatus(
  target: UploadTarget,
  location: URL,
  sizeBytes: number,
): Promise<UploadState | undefined> {
  let state = await uploadStatus(target, location);
  for (let looks = 1; state && state.receivedBytes < sizeBytes && looks < MAX_LOOKS; looks++) {
    await sleep(SETTLE_MS, target.signal);
    const next = await uploadStatus(target, state.location);
    if (next?.receivedBytes === state.receivedBytes) return next;
    state = next;
  }
  return state;
}
