import type { Pace } from '../upstream/peer.ts';
import { ByteRate } from '../util/byte-rate.ts';

/** Bytes that nothing holds back. */
const UNLIMITED: Pace = { take: () => Promise.resolve() };

/** @param bytesPerSecond undefined: no limit */
export function paceOf(bytesPerSecond: number | undefined): Pace {
  return bytesPerSecond === undefined ? UNLIMITED : new ByteRate(bytesPerSecond);
}

/** Both limits hold. */
export function both(one: Pace, other: Pace): Pace {
  if (one === UNLIMITED) return other;
  if (other === UNLIMITED) return one;
  return {
    take: async (bytes, signal) => {
      await one.take(bytes, signal);
      await other.take(bytes, signal);
    },
  };
}
