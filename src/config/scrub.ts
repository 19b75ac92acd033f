import type { ScrubConfig } from './config.ts';
import { interval, rate } from './scalars.ts';
import { map } from './structures.ts';

export const scrubSchema = map({
  every: interval({ min: '1m' }).prefault('7d'),
  rate: rate().prefault('50MiB/s'),
}).transform((raw): ScrubConfig => ({ everyMs: raw.every, bytesPerSecond: raw.rate }));
