import { expect, it } from 'vitest';
import { type AccountCandidate, chooseAccount } from '../../src/upstream/choose-account.ts';

const FULL: AccountCandidate = { isEligible: true, isRefused: false, share: 1 };
const HALF = { ...FULL, share: 0.5 };
const BLOCKED = { ...FULL, isEligible: false };
const REFUSED = { ...FULL, isRefused: true };

it.each<[string, AccountCandidate[], number, number | undefined]>([
  ['none of none', [], -1, undefined],
  ['the only one', [FULL], 0, 0],
  ['none when all are held back', [BLOCKED, BLOCKED], 0, undefined],
  ['the first one to begin with', [FULL, FULL, FULL], -1, 0],
  ['the next one among equals', [FULL, FULL, FULL], 0, 1],
  ['the first one after the last', [FULL, FULL, FULL], 2, 0],
  ['the one that has most left', [HALF, FULL, HALF], 1, 1],
  ['the next one of those that have most left', [FULL, HALF, FULL], 0, 2],
  ['what is left when the best one is held back', [BLOCKED, HALF], 1, 1],
  ['good credentials rather than a large share', [REFUSED, HALF], 1, 1],
  ['refused credentials rather than nothing', [REFUSED, BLOCKED], 1, 0],
])('takes %s', (_, candidates, last, expected) => {
  expect(chooseAccount(candidates, last)).toBe(expected);
});
