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
  /** Promised to downloads under way, written or not, and kept of interrupted ones. */
  readonly inFlightBytes: number;
  /** The part of the former that is still to be written, and will come out of `freeBytes`. */
  readonly unwrittenBytes: number;
  /** Promised to downloads of each registry. */
  readonly inFlightByRegistry: ReadonlyMap<string, number>;
  /** Files that are no content. */
  readonly debrisBytes: number;
}

/** How much is free under each limit; negative where it is broken. */
export interface Room {
  readonly bytes: number;
  /** The limit that leaves the least. */
  readonly tightest: Exclude<BypassReason, 'store'>;
}

/** Folders of the store, at most 256 for each of its two algorithms, and the two above them. */
const MAX_FOLDERS = 2 * 256 + 4;
const FOLDER_BYTES = 4096;

/** The index grows between two looks at it: this much of the quota is left to that. */
const MAX_INDEX_GROWTH_BYTES = 2 * 1024 * 1024;
const INDEX_GROWTH_SHARE = 1 / 32;

/** What may still be stored for a registry. */
export function roomFor(registry: string, reading: SpaceReading, limits: SpaceLimits): Room {
  const rooms: Room[] = [
    { tightest: 'disk', bytes: reading.freeBytes - limits.minFreeBytes - reading.unwrittenBytes },
    { tightest: 'quota', bytes: allowedBytes(limits) - usedBytes(reading) },
    { tightest: 'upstream-quota', bytes: registryRoom(registry, reading, limits) },
  ];
  return rooms.reduce((least, room) => (room.bytes < least.bytes ? room : least));
}

/** All that stands below the data directory, or will when the downloads under way are complete. */
export function usedBytes({ usage, inFlightBytes, debrisBytes }: SpaceReading): number {
  const folderBytes = Math.min(usage.blobs, MAX_FOLDERS) * FOLDER_BYTES + 4 * FOLDER_BYTES;
  return usage.diskBytes + usage.indexBytes + folderBytes + inFlightBytes + debrisBytes;
}

/** What of the quota content may use. */
export function allowedBytes({ quotaBytes = Infinity }: SpaceLimits): number {
  return quotaBytes - Math.min(MAX_INDEX_GROWTH_BYTES, quotaBytes * INDEX_GROWTH_SHARE);
}

/** By how much the content is above the mark down to which eviction goes; 0 if it is not. */
export function excessBytes(reading: SpaceReading, limits: SpaceLimits, registry: string | undefined): number {
  if (registry !== undefined) {
    const quota = limits.registryQuotas.get(registry) ?? Infinity;
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
