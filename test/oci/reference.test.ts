import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTag, parseReference, referenceText } from '../../src/oci/reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('parseReference', () => {
  test.each([
    'latest',
    'v1.2.3',
    'V1',
    '_',
    '_hidden',
    '1',
    'a-b_c.d',
    'a..b',
    'a--b',
    'a.',
    'a-',
    'sha256-abc',
    'x'.repeat(128),
    `sha256-${'a'.repeat(64)}`,
  ])('takes the tag %j', (tag) => {
    expect(parseReference(tag)).toEqual({ kind: 'tag', tag });
  });

  test('takes a digest', () => {
    expect(parseReference(DIGEST)).toEqual({ kind: 'digest', digest: DIGEST });
  });

  test.each([
    '',
    '.',
    '..',
    '-',
    '.hidden',
    '-dash',
    'x'.repeat(129),
    'a b',
    'a/b',
    'a:b',
    ':',
    'sha256:abc',
    `${DIGEST}0`,
    `tag@${DIGEST}`,
    'ä',
    'a\n',
    'a\0',
    'a%41',
    'a+b',
  ])('refuses %j', (text) => {
    expect(parseReference(text)).toBe(undefined);
  });

  test('takes exactly what the grammar of tags and digests says, and gives it back', () => {
    const unit = fc.constantFrom(...'aZ09._-:/@ \n'.split(''));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 140 }), (text) => {
        const reference = parseReference(text);
        expect(reference !== undefined).toBe(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/.test(text));
        if (reference) expect(referenceText(reference)).toBe(text);
        expect(isTag(text)).toBe(reference?.kind === 'tag');
      }),
      { numRuns: 500 },
    );
  });
});
