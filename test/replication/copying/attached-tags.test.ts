import { describe, expect, test } from 'vitest';
import { digestHex, digestOf } from '../../../src/oci/digest.ts';
import {
  isReferrersTag,
  referrersTagOf,
  subjectOfTag,
  tagsAttachedTo,
} from '../../../src/replication/copying/attached-tags.ts';
import { digestFor } from '../support/scripted-peer.ts';
import { openSite } from '../support/site.ts';

const SUBJECT = digestFor('subject');
const LONG = digestOf(Buffer.from('subject'), 'sha512');
const STEM = `sha256-${digestHex(SUBJECT)}`;

describe('tags that belong to a digest', () => {
  test.each([
    [`${STEM}.sig`, SUBJECT, false],
    [`${STEM}.att`, SUBJECT, false],
    [STEM, SUBJECT, true],
    [referrersTagOf(LONG), undefined, true],
    ['v1', undefined, false],
    [STEM.slice(0, -1), undefined, false],
    [`${STEM}-x`, undefined, false],
  ])('%s', (tag, subject, isList) => {
    expect(subjectOfTag(tag)).toBe(subject);
    expect(isReferrersTag(tag)).toBe(isList);
  });

  test('of lists of referrers have at most 64 digits', () => {
    expect(referrersTagOf(SUBJECT)).toBe(STEM);
    expect(referrersTagOf(LONG)).toBe(`sha512-${digestHex(LONG).slice(0, 64)}`);
  });

  test('are found, without the list of referrers and what is another digest', async () => {
    await using site = await openSite();
    const tags = [`${STEM}.sig`, `${STEM}.att`, `${STEM}.sbom`, STEM, `${STEM}-old`, 'v1'];
    await site.add({ name: 'image', tags });
    await site.add({ name: 'other', tags: [`${referrersTagOf(digestFor('other'))}.sig`] });
    const found = await tagsAttachedTo(site.index, 'local/app', SUBJECT);
    expect(found.map(({ tag }) => tag)).toEqual([`${STEM}.att`, `${STEM}.sbom`, `${STEM}.sig`]);
    expect(await tagsAttachedTo(site.index, 'local/app', LONG)).toEqual([]);
  });
});
