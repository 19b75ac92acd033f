import { within } from '../../util/sleep.ts';
import { allowedBytes, type SpaceLimits, type Unmovable } from './room.ts';

/** Makes room on the disk. Resolves when nothing is missing any more, or when nothing can be done about it. */
export interface RoomMaker {
  makeRoom(missingBytes: () => Promise<number>, registry: string | undefined): Promise<void>;
  /** What no eviction can remove: of everything, or of a registry. */
  unmovableBytes(registry?: string): Promise<number>;
  /** Goes down to the low watermark, beside everything else. */
  trim(registry: string | undefined): void;
}

/** Beyond this part of a quota it is worth finding out what eviction could do at most. */
const LARGE_SHARE = 0.1;
const PATIENCE_MS = 250;

/**
 * What cannot go for the sake of so many bytes; nothing, if that is not worth finding out. What is pinned may take long the
 * first time: then it is known the next time.
 */
export async function unmovableFor(
  { registry, bytes }: { readonly registry: string; readonly bytes: number },
  roomMaker: Pick<RoomMaker, 'unmovableBytes'>,
  limits: SpaceLimits,
): Promise<Unmovable> {
  const quotaBytes = Math.min(allowedBytes(limits), limits.registryQuotas.get(registry) ?? Infinity);
  const isLarge = bytes >= quotaBytes * LARGE_SHARE;
  const asking = isLarge && Promise.all([roomMaker.unmovableBytes(), roomMaker.unmovableBytes(registry)]);
  const [allBytes = 0, ownBytes = 0] = (asking && (await within(PATIENCE_MS, asking))) || [];
  return { bytes: allBytes, bytesByRegistry: new Map([[registry, ownBytes]]) };
}
