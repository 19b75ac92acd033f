import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import {
  attachedTo,
  chooseExpiredTags,
  expiresWith,
  isExpiredUntagged,
} from '../../../src/registry/pushing/choose-expired.ts';
import { HostedRules, type RetentionOptions } from '../../../src/registry/pushing/hosted-rules.ts';

const NOW = 1_000_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const HEX = 'a1'.repeat(32);

function ruleOf(retention: RetentionOptions | undefined, immutable: readonly string[] = []) {
  return new HostedRules([{ repositories: ['**'], immutable, ...(retention && { retention }) }]).of('local/app');
}

function tag(name: string, movedDaysAgo: number, usedDaysAgo?: number) {
  return {
    tag: name,
    digest: digestOf(Buffer.from(name)),
    movedAtMs: NOW - movedDaysAgo * DAY,
    usedAtMs: usedDaysAgo === undefined ? undefined : NOW - usedDaysAgo * DAY,
  };
}

describe('of the tags v1 (10 days old), v2 (5, pulled yesterday), v3 (1) and latest (20, pulled 9 days ago)', () => {
  const tags = [tag('latest', 20, 9), tag('v1', 10), tag('v2', 5, 1), tag('v3', 1)];

  test.each<[RetentionOptions | undefined, readonly string[], readonly string[]]>([
    [undefined, [], []],
    [{}, [], []],
    [{ keepLast: 0 }, [], ['latest', 'v1', 'v2', 'v3']],
    [{ keepLast: 2 }, [], ['latest', 'v1']],
    [{ keepLast: 4 }, [], []],
    [{ keepLast: 100 }, [], []],
    [{ keepTags: ['v*'] }, [], ['latest']],
    [{ keepTags: ['latest', 'v1'] }, [], ['v2', 'v3']],
    [{ keepTags: [] }, [], ['latest', 'v1', 'v2', 'v3']],
    [{ keepPulledWithinMs: 2 * DAY }, [], ['latest', 'v1', 'v3']],
    [{ keepPulledWithinMs: 10 * DAY }, [], ['v1', 'v3']],
    [{ keepYoungerThanMs: 7 * DAY }, [], ['latest', 'v1']],
    [{ keepYoungerThanMs: 5 * DAY }, [], ['latest', 'v1', 'v2']],
    [{ keepLast: 1, keepPulledWithinMs: 2 * DAY }, [], ['latest', 'v1']],
    [{ keepLast: 1, keepTags: ['latest'], keepYoungerThanMs: 6 * DAY }, [], ['v1']],
    [{ keepLast: 0 }, ['v*'], ['latest']],
    [{ keepLast: 0 }, ['**'], []],
  ])('%j, with %j immutable, leaves out %j', (retention, immutable, expired) => {
    const chosen = chooseExpiredTags(tags, ruleOf(retention, immutable), NOW);
    expect(chosen.map((row) => row.tag)).toEqual(expired);
  });
});

test('tags of the same age are kept in the order of their names', () => {
  const tags = ['b', 'a', 'c'].map((name) => tag(name, 1));
  expect(chooseExpiredTags(tags, ruleOf({ keepLast: 2 }), NOW).map((row) => row.tag)).toEqual(['c']);
});

test('what is attached to a manifest neither counts nor goes', () => {
  const tags = [tag('v1', 2), tag(`sha256-${HEX}.sig`, 1), tag(`sha256-${HEX}`, 1)];
  expect(chooseExpiredTags(tags, ruleOf({ keepLast: 1 }), NOW)).toEqual([]);
});

describe('attachedTo', () => {
  test.each([
    [`sha256-${HEX}`, `sha256:${HEX}`],
    [`sha256-${HEX}.sig`, `sha256:${HEX}`],
    [`sha256-${HEX}.att`, `sha256:${HEX}`],
    [`sha512-${HEX}`, `sha512:${HEX}`],
    [`sha256-${HEX}0`, undefined],
    [`sha256-${HEX.toUpperCase()}`, undefined],
    [`sha256-${HEX}.sig.2`, undefined],
    [`sha1-${HEX}`, undefined],
    ['sha256-abc', undefined],
    ['v1', undefined],
    ['', undefined],
  ])('of %s is %s', (name, digest) => {
    expect(attachedTo(name)).toBe(digest);
  });
});

describe('a tag that is attached to a manifest', () => {
  const SIGNATURE = `sha256-${HEX}.sig`;

  test.each<[RetentionOptions | undefined, readonly string[], string, number, string | undefined]>([
    [{ keepLast: 1 }, [], SIGNATURE, 2, `sha256:${HEX}`],
    [{ keepLast: 1 }, ['v*'], `sha256-${HEX}`, 1, `sha256:${HEX}`],
    [undefined, [], SIGNATURE, 2, undefined],
    [{}, [], SIGNATURE, 2, undefined],
    // It may come before what it is attached to.
    [{ keepLast: 1 }, [], SIGNATURE, 0.99, undefined],
    [{ keepLast: 1 }, ['sha256-*'], SIGNATURE, 200, undefined],
    [{ keepTags: ['*.sig'] }, [], SIGNATURE, 200, undefined],
    [{ keepTags: ['*.att'] }, [], SIGNATURE, 200, `sha256:${HEX}`],
    [{ keepLast: 1 }, [], `sha512-${HEX}`, 200, undefined],
    [{ keepLast: 1 }, [], 'v1', 200, undefined],
  ])('by %j, with %j immutable, %s of %d days ago goes with %s', (retention, immutable, name, daysAgo, subject) => {
    expect(expiresWith(tag(name, daysAgo), ruleOf(retention, immutable), NOW)).toBe(subject);
  });
});

describe('an image without a tag that was used so many hours ago', () => {
  const root = (hoursAgo: number) => ({ isManifest: true, tags: [], usedAtMs: NOW - hoursAgo * HOUR });

  test.each<[RetentionOptions | undefined, number, boolean]>([
    [undefined, 10_000, false],
    [{}, 10_000, false],
    [{ keepLast: 1 }, 23, false],
    [{ keepLast: 1 }, 25, true],
    [{ keepYoungerThanMs: 2 * HOUR }, 1.5, false],
    [{ keepYoungerThanMs: 2 * HOUR }, 3, true],
    // A push may be under way that will make it part of something.
    [{ keepYoungerThanMs: 1 }, 0.9, false],
    [{ keepYoungerThanMs: 1 }, 1.1, true],
    [{ keepYoungerThanMs: 2 * HOUR, keepPulledWithinMs: 5 * HOUR }, 4, false],
    [{ keepYoungerThanMs: 2 * HOUR, keepPulledWithinMs: 5 * HOUR }, 6, true],
  ])('goes by %j after %d hours: %s', (retention, hoursAgo, goes) => {
    expect(isExpiredUntagged(root(hoursAgo), ruleOf(retention), NOW)).toBe(goes);
  });

  test('stays if it is a blob, or has a tag', () => {
    const rule = ruleOf({ keepLast: 0 });
    expect(isExpiredUntagged({ ...root(1000), isManifest: false }, rule, NOW)).toBe(false);
    expect(isExpiredUntagged({ ...root(1000), tags: ['v1'] }, rule, NOW)).toBe(false);
  });
});
