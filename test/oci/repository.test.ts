import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalPath, canonicalRegistry, isRepositoryPath, makeRepository } from '../../src/oci/repository.ts';

/** The grammar of the distribution-spec ("Pulling manifests"), character by character instead of by expression. */
function followsGrammar(text: string): boolean {
  return text.length <= 255 && text.split('/').every(isComponent);
}

function isComponent(component: string): boolean {
  const words = component.split(/[^a-z0-9]+/);
  const separators = component.split(/[a-z0-9]+/).slice(1, -1);
  return (
    words.every((word) => word !== '') &&
    separators.every((separator) => ['.', '_', '__'].includes(separator) || /^-+$/.test(separator))
  );
}

describe('isRepositoryPath', () => {
  test.each([
    'a',
    '0',
    'nginx',
    'library/nginx',
    'a/b/c/d/e/f/g',
    'a.b',
    'a_b',
    'a__b',
    'a-b',
    'a----b',
    'a.b_c__d-e',
    'ghcr.io/owner/app',
    'xn--bcher-kva',
    'manifests/blobs',
    'a'.repeat(255),
    Array.from({ length: 128 }, () => 'a').join('/'),
  ])('takes %j', (text) => {
    expect(isRepositoryPath(text)).toBe(true);
  });

  test.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'Library/nginx',
    'a b',
    '.a',
    'a.',
    'a..b',
    '_a',
    'a_',
    'a___b',
    '-a',
    'a-',
    'a._b',
    'a-_b',
    'a.-b',
    'a/.b',
    'a/../b',
    '..',
    '.',
    'a:b',
    'a@b',
    'a%2fb',
    'a\\b',
    'a\n',
    'a\0b',
    'ä',
    'a\u2028',
    'localhost:5000/app',
    'a'.repeat(256),
  ])('refuses %j', (text) => {
    expect(isRepositoryPath(text)).toBe(false);
  });

  test('agrees with the grammar on any string', () => {
    const unit = fc.constantFrom(...'abz09'.split(''), ...'._-/'.split(''), '__', '--', 'A', ' ');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        expect(isRepositoryPath(text)).toBe(followsGrammar(text));
      }),
      { numRuns: 2000 },
    );
  });

  test.each(['a-', 'a.', 'a_', '-', 'a/', 'aa__'])('is quick about 32 KiB of %j', (piece) => {
    const startedAt = performance.now();
    isRepositoryPath(piece.repeat(16_384));
    isRepositoryPath(`${piece.repeat(100).slice(0, 254)}!`);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

describe('names of registries and repositories', () => {
  test.each(['docker.io', 'index.docker.io', 'registry-1.docker.io'])('%s is Docker Hub', (name) => {
    expect(canonicalRegistry(name)).toBe('docker.io');
  });

  test.each(['ghcr.io', 'docker.io.example.com', 'hub.docker.com', ''])('%j is not Docker Hub', (name) => {
    expect(canonicalRegistry(name)).toBe(name);
  });

  test.each([
    ['docker.io', 'nginx', 'library/nginx'],
    ['docker.io', 'library/nginx', 'library/nginx'],
    ['docker.io', 'bitnami/nginx', 'bitnami/nginx'],
    ['ghcr.io', 'nginx', 'nginx'],
  ])('at %s the path %s is %s', (registry, path, expected) => {
    expect(canonicalPath(registry, path)).toBe(expected);
  });

  test('a repository in full is registry and path', () => {
    expect(makeRepository('ghcr.io', 'owner/app').name).toBe('ghcr.io/owner/app');
  });
});
