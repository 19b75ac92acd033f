import type * as z from 'zod';
import type { PullConfig } from './config.ts';
import { count, duration, flag, size } from './scalars.ts';
import { map } from './structures.ts';

export const pullSchema = map({
  readAhead: flag().prefault(true),
  manifestLimit: size({ min: '1KiB', max: '256MiB' }).prefault('4MiB'),
  notFoundFor: duration({ max: '7d' }).prefault('30s'),
  hotManifests: size().prefault('64MiB'),
  fillConnections: count(1, 64).prefault(4),
});

/** The pull section with units in its names. */
export function resolvePull(raw: z.output<typeof pullSchema>): PullConfig {
  return {
    readAhead: raw.readAhead,
    manifestLimitBytes: raw.manifestLimit,
    notFoundForMs: raw.notFoundFor,
    hotManifestBytes: raw.hotManifests,
    fillConnections: raw.fillConnections,
  };
}
