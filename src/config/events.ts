import { duration } from './scalars.ts';
import { map } from './structures.ts';

export const eventsSchema = map({
  keep: duration({ min: '1m', max: 'forever' }).prefault('7d'),
}).transform(({ keep }) => ({ keepMs: keep }));
