import { describe, expect, test } from 'vitest';
import { baseOf, judgeChange, type TagChange, type Verdict } from '../../src/metadata/last-writer.ts';
import { digest } from './support/rows.ts';

/** `eu a@5.0 <o`: at eu it was pointed at `a` at 5.0, and at `o` before; `-`: it was deleted. */
function change(text: string): TagChange {
  const [, site = '', target = '', ms, count, base] = /^(\w+) (\w+|-)@(\d+)\.(\d+)(?: <(\w+))?$/.exec(text) ?? [];
  return {
    site,
    digest: target === '-' ? undefined : digest(target),
    clock: { ms: Number(ms), count: Number(count) },
    base: base === undefined ? undefined : digest(base),
  };
}

describe('a change that arrives', () => {
  test.each<[what: string, last: string | undefined, incoming: string, Verdict['outcome'], isConflict: boolean]>([
    ['where nothing is known', undefined, 'us a@5.0 <o', 'apply', false],
    ['for the second time', 'us a@5.0', 'us a@5.0', 'same', false],
    ['later, and knew of the last one', 'eu a@5.0', 'us b@6.0 <a', 'apply', false],
    ['later within the same millisecond', 'eu a@5.1', 'us b@5.2 <a', 'apply', false],
    ['later, and did not know', 'eu a@5.0 <o', 'us b@6.0 <o', 'apply', true],
    ['later, from where there was none', 'eu a@5.0', 'us b@6.0', 'apply', true],
    ['later, from the same site', 'us a@5.0 <o', 'us b@6.0 <o', 'apply', false],
    ['later, and is the same', 'eu a@5.0', 'us a@6.0', 'apply', false],
    ['earlier, when the last one knew of it', 'eu b@6.0 <a', 'us a@5.0', 'kept', false],
    ['earlier, when the last one did not know', 'eu b@6.0 <o', 'us a@5.0 <o', 'kept', true],
    ['earlier, from the same site', 'us b@6.0 <o', 'us a@5.0 <o', 'kept', false],
    ['earlier, and is the same', 'eu a@6.0', 'us a@5.0', 'same', false],
    ['at the same time, from a site with a later name', 'eu a@5.0', 'us b@5.0', 'apply', true],
    ['at the same time, from a site with an earlier name', 'us a@5.0', 'eu b@5.0', 'kept', true],
    ['with the time of another change of that site', 'us a@5.0', 'us b@5.0', 'kept', false],
    ['later than a deletion that it knew of', 'eu -@5.0 <a', 'us b@6.0', 'apply', false],
    ['later than a deletion that it did not know of', 'eu -@5.0 <a', 'us b@6.0 <a', 'apply', true],
    ['earlier than a deletion of just that', 'eu -@6.0 <a', 'us a@5.0', 'kept', false],
    ['earlier than a deletion of something else', 'eu -@6.0 <o', 'us a@5.0 <o', 'kept', true],
    ['later than what was here before its time was known', 'eu a@0.0', 'us b@6.0 <o', 'apply', false],
    ['before its time is known', 'eu a@6.0 <o', 'us b@0.0', 'kept', false],
    ['as a deletion of the last one', 'eu a@5.0', 'us -@6.0 <a', 'apply', false],
    ['as a deletion of something else', 'eu a@5.0 <o', 'us -@6.0 <o', 'apply', true],
    ['as a deletion, late', 'eu a@6.0', 'us -@5.0 <o', 'kept', false],
    ['as a deletion, late, of what was changed at once', 'eu a@6.0 <o', 'us -@5.0 <o', 'kept', true],
    ['as a second deletion', 'eu -@5.0 <a', 'us -@6.0 <a', 'apply', false],
    ['as a second deletion, late', 'eu -@6.0 <a', 'us -@5.0 <a', 'same', false],
  ])('%s', (_, last, incoming, outcome, isConflict) => {
    expect(judgeChange(last === undefined ? undefined : change(last), change(incoming))).toEqual({
      outcome,
      isConflict,
    });
  });
});

test.each([
  ['nothing was there', undefined, undefined],
  ['another site had moved it', 'us a@5.0 <o', 'a'],
  ['the site itself had moved it', 'eu a@5.0 <o', 'o'],
  ['the site itself had made it', 'eu a@5.0', undefined],
  ['another site had deleted it', 'us -@5.0 <o', undefined],
  ['the site itself had deleted it', 'eu -@5.0 <o', 'o'],
])('the base of a change of eu when %s', (_, last, base) => {
  const known = last === undefined ? undefined : change(last);
  expect(baseOf(known, 'eu')).toBe(base === undefined ? undefined : digest(base));
});
