import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileGlob, compileGlobs, compileImageGlob } from '../../src/oci/glob.ts';

/** What a glob means, character by character instead of by expression. */
function isMatch(pattern: string, text: string, isLeading = true): boolean {
  if (isLeading && pattern.startsWith('**/') && isMatch(pattern.slice(3), text)) return true;
  if (pattern === '') return text === '';
  if (pattern.startsWith('**')) {
    return isMatch(pattern.slice(2), text, false) || (text !== '' && isMatch(pattern, text.slice(1), false));
  }
  if (pattern.startsWith('*')) {
    const goesOn = text !== '' && !text.startsWith('/') && isMatch(pattern, text.slice(1), false);
    return goesOn || isMatch(pattern.slice(1), text, false);
  }
  return text.startsWith(pattern.charAt(0)) && isMatch(pattern.slice(1), text.slice(1), pattern.startsWith('/'));
}

const digest = `sha256:${'ab'.repeat(32)}`;

describe('a glob', () => {
  test.each([
    ['docker.io/library/debian', 'docker.io/library/debian', true],
    ['docker.io/library/debian', 'docker.io/library/debian2', false],
    ['docker.io/library/debian', 'xdocker.io/library/debian', false],
    ['docker.io/library/debian', 'dockerXio/library/debian', false],
    ['docker.io/library/*', 'docker.io/library/debian', true],
    ['docker.io/library/*', 'docker.io/library/', true],
    ['docker.io/library/*', 'docker.io/library', false],
    ['docker.io/*', 'docker.io/library/debian', false],
    ['docker.io/**', 'docker.io/library/debian', true],
    ['docker.io/**', 'docker.io/app', true],
    ['docker.io/**', 'docker.io', false],
    ['docker.io/**', 'docker.iox/app', false],
    ['*/library/*', 'docker.io/library/debian', true],
    ['**/debian', 'docker.io/library/debian', true],
    ['**/debian', 'debian', true],
    ['**/debian', 'mydebian', false],
    ['**/debian', 'docker.io/mydebian', false],
    ['**', 'docker.io/library/debian', true],
    ['**', '', true],
    ['*', '', true],
    ['*', 'a/b', false],
    ['docker.io/**/debian', 'docker.io/a/b/debian', true],
    ['docker.io/**/debian', 'docker.io/debian', true],
    ['docker.io/**/debian', 'docker.io/a/mydebian', false],
    ['deb**n', 'deb/x/n', true],
    ['v*', 'v1.2', true],
    ['v*', 'V1.2', false],
    ['v*', '1v', false],
    ['*-alpine', '3.20-alpine', true],
    ['3.*-*', '3.20-slim', true],
    ['3.*', '3020', false],
    ['', '', true],
    ['', 'a', false],
    ['a+b', 'aab', false],
    ['[ab]', 'a', false],
    ['[ab]', '[ab]', true],
    ['(a|b)?^$\\{1}', '(a|b)?^$\\{1}', true],
    ['a|b', 'a', false],
    ['a$', 'a', false],
  ])('%j matches %j: %j', (pattern, text, expected) => {
    expect(compileGlob(pattern)(text)).toBe(expected);
  });

  test('agrees with its meaning on any text', () => {
    const name = fc.string({ unit: fc.constantFrom(...'ab.-'.split('')), maxLength: 4 });
    const text = fc.array(name, { maxLength: 4 }).map((parts) => parts.join('/'));
    const word = fc.string({ unit: fc.constantFrom(...'ab.-'.split('')), minLength: 1, maxLength: 2 });
    const part = fc.oneof(
      fc.constantFrom('**', '*'),
      fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join('*')),
    );
    const pattern = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(pattern, text, (glob, candidate) => {
        expect(compileGlob(glob)(candidate)).toBe(isMatch(glob, candidate));
      }),
      { numRuns: 3000 },
    );
  });

  test('without a star stands for itself, whatever is in it', () => {
    const plain = fc.string({ maxLength: 8 }).filter((text) => !text.includes('*'));
    fc.assert(
      fc.property(plain, plain, (pattern, text) => {
        expect(compileGlob(pattern)(pattern)).toBe(true);
        expect(compileGlob(pattern)(text)).toBe(pattern === text);
      }),
    );
  });
});

describe('several globs', () => {
  test('match what one of them matches', () => {
    const matches = compileGlobs(['library/*', 'owner/**']);
    expect(['library/debian', 'owner/a/b', 'other/app', 'library/a/b'].map(matches)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('match nothing when there are none', () => {
    expect(['', 'a', 'a/b'].map(compileGlobs([]))).toEqual([false, false, false]);
  });
});

describe('a pattern of images', () => {
  const debian = 'docker.io/library/debian';

  test.each([
    ['docker.io/library/debian:*', debian, ['12'], true],
    ['docker.io/library/debian:*', debian, [], false],
    ['docker.io/library/debian:12*', debian, ['latest', '12-slim'], true],
    ['docker.io/library/debian:12*', debian, ['11'], false],
    ['docker.io/library/debian:12', debian, ['12'], true],
    ['docker.io/library/debian:12', debian, ['12-slim'], false],
    ['docker.io/library/debian', debian, [], true],
    ['docker.io/library/debian', debian, ['12'], true],
    ['docker.io/library/debian', `${debian}2`, ['12'], false],
    ['docker.io/library/**', debian, [], true],
    ['**:latest', debian, ['latest'], true],
    ['**:latest', debian, ['latest2'], false],
    [`docker.io/library/debian@${digest}`, debian, [], true],
    [`docker.io/library/debian@${digest}`, 'docker.io/library/ubuntu', [], false],
    ['docker.io/**@sha256:abab*', debian, ['12'], true],
    ['docker.io/**@sha256:cdcd*', debian, ['12'], false],
    ['docker.io/library/debian@*', debian, [], true],
    ['docker.io/library/debian@12', debian, ['12'], false],
    ['docker.io/library/debian:sha256*', debian, ['12'], false],
    ['localhost:5000/app', 'localhost:5000/app', ['1'], true],
    ['localhost:5000/app:1', 'localhost:5000/app', ['1'], true],
    ['localhost:5000/app:1', 'localhost:5000/app', ['2'], false],
    ['localhost:*/app', 'localhost:5000/app', ['2'], true],
  ])('%j matches %s with the tags %j: %j', (pattern, repository, tags, expected) => {
    expect(compileImageGlob(pattern)(repository, { tags, digest })).toBe(expected);
  });
});
