import { duration } from './scalars.ts';
import { map } from './structures.ts';

export const uploadsSchema = map({
  expire: duration({ min: '1s', max: '365d' }).prefault('7d'),
}).transform(({ expire }) => ({ expireMs: expire }));
