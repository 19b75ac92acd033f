import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseImageName } from '../../src/oci/image-name.ts';
import { digestOf } from '../../src/oci/digest.ts';

const digest = digestOf(Buffer.from('image'));
const long = digestOf(Buffer.from('image'), 'sha512');

describe('parseImageName', () => {
  test.each([
    ['alpine', 'alpine', 'latest'],
    ['alpine:3.20', 'alpine', '3.20'],
    ['library/alpine', 'library/alpine', 'latest'],
    ['docker.io/library/debian:12', 'docker.io/library/debian', '12'],
    ['localhost:5000/app', 'localhost:5000/app', 'latest'],
    ['localhost:5000/a/app:V_1.0-x', 'localhost:5000/a/app', 'V_1.0-x'],
  ])('%j is the tag of a repository', (text, path, tag) => {
    expect(parseImageName(text)).toEqual({ path, reference: { kind: 'tag', tag } });
  });

  test.each([
    [`alpine@${digest}`, 'alpine', digest],
    [`ghcr.io/owner/app@${long}`, 'ghcr.io/owner/app', long],
    [`localhost:5000/app@${digest}`, 'localhost:5000/app', digest],
    // Of a tag and a digest the digest counts.
    [`docker.io/library/debian:12@${digest}`, 'docker.io/library/debian', digest],
    [`localhost:5000/app:1@${digest}`, 'localhost:5000/app', digest],
  ])('%j is a digest of a repository', (text, path, expected) => {
    expect(parseImageName(text)).toEqual({ path, reference: { kind: 'digest', digest: expected } });
  });

  test.each([
    '',
    ':',
    ':latest',
    '@',
    `@${digest}`,
    'alpine:',
    'alpine:-x',
    'alpine:a b',
    `alpine:${'a'.repeat(129)}`,
    'alpine:1:2',
    'alpine@',
    'alpine@latest',
    'alpine@sha256:abc',
    `alpine@${digest.toUpperCase()}`,
    `alpine@${digest}@${digest}`,
    `alpine@md5:${'a'.repeat(32)}`,
  ])('refuses %j', (text) => {
    expect(parseImageName(text)).toBe(undefined);
  });

  test('reads what a path and a tag or a digest were joined to', () => {
    const word = fc.string({ unit: fc.constantFrom(...'ab0-'.split('')), minLength: 1, maxLength: 3 });
    const host = fc.option(fc.tuple(word, fc.nat(65_535)), { nil: undefined });
    const path = fc
      .tuple(host, fc.array(word, { minLength: 1, maxLength: 3 }))
      .map(([at, parts]) => [...(at ? [at.join(':')] : []), ...parts].join('/'));
    const tag = fc.string({ unit: fc.constantFrom(...'aZ0_'.split('')), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(path, tag, (name, version) => {
        expect(parseImageName(name)).toEqual({ path: name, reference: { kind: 'tag', tag: 'latest' } });
        expect(parseImageName(`${name}:${version}`)).toEqual({
          path: name,
          reference: { kind: 'tag', tag: version },
        });
        expect(parseImageName(`${name}:${version}@${digest}`)).toEqual({
          path: name,
          reference: { kind: 'digest', digest },
        });
      }),
    );
  });
});
