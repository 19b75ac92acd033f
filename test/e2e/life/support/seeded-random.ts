import { seededBytes } from '../../../support/bytes.ts';

/** Choices that are the same each time for the same seed. */
export interface SeededRandom {
  /** A whole number from 0 to below that limit. */
  below(limit: number): number;
  oneOf<Choice>(choices: readonly Choice[]): Choice;
  /** Others, for somebody whose choices come at moments of their own. */
  fork(): SeededRandom;
}

const CHOICES = 10_000;

/** The same choices for the same seed. */
export function seededRandom(seed: number | string): SeededRandom {
  const bytes = seededBytes(CHOICES * 4, `choices ${seed}`);
  let taken = 0;
  let forks = 0;
  const below = (limit: number): number => {
    const value = bytes.readUInt32LE((taken++ % CHOICES) * 4);
    return Math.floor((value / 2 ** 32) * limit);
  };
  return {
    below,
    oneOf: (choices) => {
      const choice = choices[below(choices.length)];
      if (choice === undefined) throw new Error('nothing to choose from');
      return choice;
    },
    fork: () => seededRandom(`${seed}.${forks++}`),
  };
}
