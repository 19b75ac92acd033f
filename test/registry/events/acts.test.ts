import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { actsOf, wholeActs } from '../../../src/registry/events/acts.ts';
import { someEvent } from './support/stage.ts';

const push = someEvent({ sequence: 1 });
const tagged = someEvent({ sequence: 2, kind: 'tag', tag: 'v1' });
const taggedToo = someEvent({ sequence: 3, kind: 'tag', tag: 'v2' });
const later = someEvent({ sequence: 4, atMs: push.atMs + 1 });
const elsewhere = someEvent({ sequence: 5, atMs: push.atMs + 1, repository: 'local/other' });
const another = someEvent({ sequence: 6, atMs: push.atMs + 1, digest: digestOf(Buffer.from('another')) });
const deleted = someEvent({ sequence: 7, kind: 'delete' });
const untagged = someEvent({ sequence: 8, kind: 'untag', tag: 'v1' });

describe('events', () => {
  test('of one manifest that was pushed with its tags are one act', () => {
    expect(actsOf([push, tagged, taggedToo])).toEqual([[push, tagged, taggedToo]]);
  });

  test.each([
    ['at another time', [push, later]],
    ['in another repository', [later, elsewhere]],
    ['of another manifest', [later, another]],
    ['that delete', [deleted, untagged, push]],
  ])('%s are acts of their own', (_, events) => {
    expect(actsOf(events)).toEqual(events.map((event) => [event]));
  });

  test('of no time at all are no act', () => {
    expect(actsOf([])).toEqual([]);
  });
});

describe('a page of the log', () => {
  test('that is full ends before an act that may go on', () => {
    expect(wholeActs([deleted, push, tagged], 3)).toEqual([deleted]);
    expect(wholeActs([push, tagged, later], 3)).toEqual([push, tagged]);
  });

  test('that is not full has all of the last act', () => {
    expect(wholeActs([deleted, push, tagged], 4)).toEqual([deleted, push, tagged]);
    expect(wholeActs([], 4)).toEqual([]);
  });

  test('that is one act is taken as it is', () => {
    expect(wholeActs([push, tagged, taggedToo], 3)).toEqual([push, tagged, taggedToo]);
  });
});
