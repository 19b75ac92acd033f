import type { Usage } from '../../metadata/metadata-index.ts';
import type { BypassReason } from '../../telemetry/telemetry.ts';

/** What the store may take up. All in bytes as the disk counts them. */
export interface SpaceLimits {
  /** All below `storage.path`; undefined: what the disk has. */
  readonly quotaBytes: number | undefined;
  /** What stays free on the disk. */
  readonly minFreeBytes: number;
  /** Eviction goes on until so much of the quota is in use. */
  readonly lowWatermark: number;
  /** Content by registry. */
  readonly registryQuotas: ReadonlyMap<string, number>;
}

/** What is taken and what is free, at one moment. */
export interface SpaceReading {
  readonly usage: Usage;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Promised to downloads under way, written or not, and kept of interrupted ones. */
  readonly inFlightBytes: number;
  /** The part of the former that is still to be written, and will come out of `freeBytes`. */
  readonly unwrittenBytes: number;
  /** Promised to downloads of each registry. */
  readonly inFlightByRegistry: ReadonlyMap<string, number>;
  /** Files that are no content. */
  readonly debrisBytes: number;
  /** The folders that all of it lies in. */
  readonly folderBytes: number;
}

/** What bounds the store: the free space of the disk, the quota, the quota of one registry. */
export type Limit = Exclude<BypassReason, 'store'>;

const LIMITS: readonly Limit[] = ['disk', 'quota', 'upstream-quota'];

/** How much is free; negative where a limit is broken. */
export interface Room {
  readonly bytes: number;
  /** The limit that leaves the least. */
  readonly tightest: Limit;
}

/** The key that signs tokens lies beside the index. */
const KEY_BYTES = 4096;

/** The index grows between two looks at it: this much of the quota is left to that. */
const MAX_INDEX_GROWTH_BYTES = 2 * 1024 * 1024;
const INDEX_GROWTH_SHARE = 1 / 32;

/** What the index may still take of the free space until it is looked at again. */
function indexGrowthBytes({ usage, totalBytes }: SpaceReading): number {
  return usage.indexUnwrittenBytes + Math.min(MAX_INDEX_GROWTH_BYTES, totalBytes * INDEX_GROWTH_SHARE);
}

/** What may still be stored for a registry. */
export function roomFor(registry: string, reading: SpaceReading, limits: SpaceLimits): Room {
  const rooms = LIMITS.map((tightest) => ({ tightest, bytes: roomUnder(tightest, registry, reading, limits) }));
  return rooms.reduce((least, room) => (room.bytes < least.bytes ? room : least));
}

/** What may still be stored for a registry as far as one limit is concerned; negative where it is broken. */
export function roomUnder(limit: Limit, registry: string, reading: SpaceReading, limits: SpaceLimits): number {
  switch (limit) {
    case 'disk':
      return reading.freeBytes - limits.minFreeBytes - reading.unwrittenBytes - indexGrowthBytes(reading);
    case 'quota':
      return allowedBytes(limits) - usedBytes(reading);
    case 'upstream-quota':
      return registryRoom(registry, reading, limits);
  }
}

/** What cannot go. */
export interface Unmovable {
  readonly bytes: number;
  readonly bytesByRegistry: ReadonlyMap<string, number>;
}

/** What there would be if all content went that can go. */
export function withoutContent(reading: SpaceReading, { bytes, bytesByRegistry }: Unmovable): SpaceReading {
  const { usage, freeBytes } = reading;
  const goneBytes = Math.max(0, usage.diskBytes - bytes);
  return {
    ...reading,
    freeBytes: freeBytes + goneBytes,
    usage: { ...usage, diskBytes: usage.diskBytes - goneBytes, diskBytesByRegistry: bytesByRegistry },
  };
}

/** What there would be without the pieces of one broken-off download. */
export function withoutPieces(reading: SpaceReading, piecesBytes: number): SpaceReading {
  const { freeBytes, inFlightBytes } = reading;
  return { ...reading, freeBytes: freeBytes + piecesBytes, inFlightBytes: inFlightBytes - piecesBytes };
}

/** All that stands below the data directory, or will when the downloads under way are complete. */
export function usedBytes({ usage, inFlightBytes, debrisBytes, folderBytes }: SpaceReading): number {
  return usage.diskBytes + usage.indexBytes + KEY_BYTES + folderBytes + inFlightBytes + debrisBytes;
}

/** What of the quota content may use. */
export function allowedBytes({ quotaBytes = Infinity }: SpaceLimits): number {
  return quotaBytes - Math.min(MAX_INDEX_GROWTH_BYTES, quotaBytes * INDEX_GROWTH_SHARE);
}

/** By how much the content is above the mark down to which eviction goes; 0 if it is not. */
export function excessBytes(reading: SpaceReading, limits: SpaceLimits, registry: string | undefined): number {
  if (registry !== undefined) {
    const quota = limits.registryQuotas.get(registry);
    if (quota === undefined) return 0;
    return Math.max(0, quota * (1 - limits.lowWatermark) - registryRoom(registry, reading, limits));
  }
  if (limits.quotaBytes === undefined) return 0;
  return Math.max(0, usedBytes(reading) - limits.quotaBytes * limits.lowWatermark);
}

function registryRoom(registry: string, reading: SpaceReading, limits: SpaceLimits): number {
  const quota = limits.registryQuotas.get(registry);
  if (quota === undefined) return Infinity;
  const stored = reading.usage.diskBytesByRegistry.get(registry) ?? 0;
  return quota - stored - (reading.inFlightByRegistry.get(registry) ?? 0);
}
