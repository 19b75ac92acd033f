import { imageName, platform } from './images.ts';
import { schedule } from './schedule.ts';
import { list, map } from './structures.ts';

const entrySchema = map({
  images: list(imageName(), { min: 1 }),
  platforms: list(platform()).prefault([]),
  schedule: schedule(),
});

export const warmSchema = list(entrySchema).prefault([]);
