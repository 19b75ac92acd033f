import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  allowedBytes,
  excessBytes,
  roomFor,
  type SpaceLimits,
  type SpaceReading,
  usedBytes,
} from '../../../src/registry/space/room.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const empty: SpaceReading = {
  usage: { blobs: 0, diskBytes: 0, diskBytesByRegistry: new Map(), indexBytes: 0, indexUnwrittenBytes: 0 },
  freeBytes: 500 * GIB,
  totalBytes: 0,
  inFlightBytes: 0,
  unwrittenBytes: 0,
  inFlightByRegistry: new Map(),
  debrisBytes: 0,
  folderBytes: 0,
};
const unlimited: SpaceLimits = { quotaBytes: undefined, minFreeBytes: 0, lowWatermark: 0.9, registryQuotas: new Map() };

function stored(diskBytes: number, byRegistry: Record<string, number> = {}): SpaceReading {
  return {
    ...empty,
    usage: { ...empty.usage, diskBytes, diskBytesByRegistry: new Map(Object.entries(byRegistry)) },
  };
}

describe('what is in use', () => {
  const bare = usedBytes(empty);

  test('is next to nothing when there is nothing', () => {
    expect(bare).toBeLessThan(64 * 1024);
  });

  test.each<[string, SpaceReading]>([
    ['content', stored(10 * MIB)],
    ['the index', { ...empty, usage: { ...empty.usage, indexBytes: 10 * MIB } }],
    ['what is promised to downloads', { ...empty, inFlightBytes: 10 * MIB }],
    ['what is no content', { ...empty, debrisBytes: 10 * MIB }],
    ['the folders', { ...empty, folderBytes: 10 * MIB }],
  ])('counts %s', (_, reading) => {
    expect(usedBytes(reading) - bare).toBe(10 * MIB);
  });
});

describe('the room for a registry', () => {
  const hub = 'docker.io';

  test('is without end where nothing is limited but the disk', () => {
    expect(roomFor(hub, empty, unlimited)).toEqual({ tightest: 'disk', bytes: 500 * GIB });
  });

  test('leaves free on the disk what has to stay free, and what downloads have still to write', () => {
    const reading = { ...empty, freeBytes: 10 * GIB, unwrittenBytes: 3 * GIB, inFlightBytes: 4 * GIB };
    expect(roomFor(hub, reading, { ...unlimited, minFreeBytes: 2 * GIB })).toEqual({
      tightest: 'disk',
      bytes: 5 * GIB,
    });
  });

  test('is what the quota leaves, a little less for the index to grow', () => {
    const limits = { ...unlimited, quotaBytes: 100 * GIB };
    const { tightest, bytes } = roomFor(hub, stored(60 * GIB), limits);
    expect(tightest).toBe('quota');
    expect(bytes).toBeLessThan(40 * GIB);
    expect(bytes).toBeGreaterThan(39.9 * GIB);
  });

  test('is what its own quota leaves, downloads for it included', () => {
    const limits = { ...unlimited, quotaBytes: 100 * GIB, registryQuotas: new Map([[hub, 10 * GIB]]) };
    const reading = {
      ...stored(20 * GIB, { [hub]: 6 * GIB, 'ghcr.io': 14 * GIB }),
      inFlightBytes: 3 * GIB,
      inFlightByRegistry: new Map([
        [hub, GIB],
        ['ghcr.io', 2 * GIB],
      ]),
    };
    expect(roomFor(hub, reading, limits)).toEqual({ tightest: 'upstream-quota', bytes: 3 * GIB });
    expect(roomFor('ghcr.io', reading, limits).tightest).toBe('quota');
  });

  test('is negative where a limit is broken', () => {
    expect(roomFor(hub, { ...empty, freeBytes: GIB }, { ...unlimited, minFreeBytes: 3 * GIB }).bytes).toBe(-2 * GIB);
    expect(roomFor(hub, stored(20 * GIB), { ...unlimited, quotaBytes: 10 * GIB }).bytes).toBeLessThan(-10 * GIB);
  });

  test('taken whole, breaks no limit', () => {
    const bytes = fc.integer({ min: 0, max: 2 ** 40 });
    const anyReading = fc.record({
      disk: bytes,
      own: bytes,
      index: bytes,
      free: bytes,
      flight: bytes,
      debris: bytes,
      folders: bytes,
    });
    const anyLimits = fc.record({ quota: fc.option(bytes), minFree: bytes, own: fc.option(bytes) });
    fc.assert(
      fc.property(anyReading, anyLimits, fc.nat(100_000), (taken, limit, blobs) => {
        const reading: SpaceReading = {
          usage: {
            blobs,
            diskBytes: taken.disk + taken.own,
            diskBytesByRegistry: new Map([[hub, taken.own]]),
            indexBytes: taken.index,
            indexUnwrittenBytes: 0,
          },
          freeBytes: taken.free,
          totalBytes: 0,
          inFlightBytes: taken.flight,
          unwrittenBytes: Math.floor(taken.flight / 2),
          inFlightByRegistry: new Map([[hub, taken.flight]]),
          debrisBytes: taken.debris,
          folderBytes: taken.folders,
        };
        const limits: SpaceLimits = {
          quotaBytes: limit.quota ?? undefined,
          minFreeBytes: limit.minFree,
          lowWatermark: 0.9,
          registryQuotas: new Map(limit.own === null ? [] : [[hub, limit.own]]),
        };
        const room = roomFor(hub, reading, limits).bytes;
        fc.pre(room > 0);
        const after = { ...reading, inFlightBytes: reading.inFlightBytes + room };
        expect(usedBytes(after)).toBeLessThanOrEqual(allowedBytes(limits) + 1);
        expect(allowedBytes(limits)).toBeLessThanOrEqual(limits.quotaBytes ?? Infinity);
        expect(taken.own + taken.flight + room).toBeLessThanOrEqual((limit.own ?? Infinity) + 1);
        expect(taken.free - reading.unwrittenBytes - room).toBeGreaterThanOrEqual(limit.minFree - 1);
      }),
    );
  });
});

describe('what is above the low watermark', () => {
  test('is nothing without a quota', () => {
    expect(excessBytes(stored(400 * GIB), unlimited, undefined)).toBe(0);
  });

  test.each([
    [80, 0],
    [95, 5],
    [120, 30],
  ])('with %i GiB of 100 in use is %i GiB', (usedGib, excessGib) => {
    const excess = excessBytes(stored(usedGib * GIB), { ...unlimited, quotaBytes: 100 * GIB }, undefined);
    expect(Math.round(excess / GIB)).toBe(excessGib);
  });

  test.each([
    [8, 0],
    [9.5, 0.5],
    [12, 3],
  ])('of a registry with %i GiB of its 10 is %i GiB', (usedGib, excessGib) => {
    const limits = { ...unlimited, quotaBytes: 15 * GIB, registryQuotas: new Map([['ghcr.io', 10 * GIB]]) };
    const excess = excessBytes(stored(20 * GIB, { 'ghcr.io': usedGib * GIB }), limits, 'ghcr.io');
    expect(excess / GIB).toBeCloseTo(excessGib, 6);
  });
});
