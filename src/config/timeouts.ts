import { duration } from './scalars.ts';
import { map } from './structures.ts';

/** How long a registry may take. */
export function timeouts() {
  return map({
    connect: duration({ min: '1ms', max: '1d' }).prefault('10s'),
    headers: duration({ min: '1ms', max: '1d' }).prefault('30s'),
    stall: duration({ min: '1ms', max: '1d' }).prefault('30s'),
  })
    .transform(({ connect, headers, stall }) => ({ connectMs: connect, headersMs: headers, stallMs: stall }))
    .prefault({});
}
