import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeRepository } from '../../../src/oci/repository.ts';
import { RegistryError } from '../../../src/registry/registry-error.ts';
import { resolveImagePattern } from '../../../src/registry/warming/image-pattern.ts';
import { makeUpstreams } from '../operations/make-upstreams.ts';

const upstreams = makeUpstreams(['docker.io', 'ghcr.io', 'registry.example:5000'], 'docker.io');
const digest = digestOf(Buffer.from('image'));

describe('an image to be warmed', () => {
  test.each([
    ['alpine', 'docker.io', 'library/alpine', 'latest'],
    ['alpine:3.20', 'docker.io', 'library/alpine', '3.20'],
    ['docker.io/alpine:3', 'docker.io', 'library/alpine', '3'],
    ['docker.io/library/debian:12', 'docker.io', 'library/debian', '12'],
    ['index.docker.io/bitnami/redis', 'docker.io', 'bitnami/redis', 'latest'],
    ['ghcr.io/owner/app:v1', 'ghcr.io', 'owner/app', 'v1'],
    ['registry.example:5000/app:1', 'registry.example:5000', 'app', '1'],
    ['registry.example:5000/app', 'registry.example:5000', 'app', 'latest'],
  ])('%j is one tag', (text, registry, path, tag) => {
    expect(resolveImagePattern(text, upstreams)).toEqual({
      kind: 'one',
      repository: makeRepository(registry, path),
      reference: { kind: 'tag', tag },
    });
  });

  test.each([`ghcr.io/owner/app@${digest}`, `ghcr.io/owner/app:v1@${digest}`])('%j is one digest', (text) => {
    expect(resolveImagePattern(text, upstreams)).toEqual({
      kind: 'one',
      repository: makeRepository('ghcr.io', 'owner/app'),
      reference: { kind: 'digest', digest },
    });
  });

  test.each([
    ['alpine:*', 'docker.io/library/alpine', ['3', 'latest'], []],
    ['docker.io/library/debian:12*', 'docker.io/library/debian', ['12', '12-slim'], ['11', 'x12']],
    ['ghcr.io/owner/app:v*.*', 'ghcr.io/owner/app', ['v1.2'], ['v1', '1.2']],
    ['registry.example:5000/app:*-x', 'registry.example:5000/app', ['1-x'], ['1']],
  ])('%j is all tags that match', (text, name, wanted, others) => {
    const pattern = resolveImagePattern(text, upstreams);
    expect(pattern).toMatchObject({ kind: 'tags', repository: { name } });
    if (pattern?.kind !== 'tags') throw new Error('no pattern of tags');
    for (const tag of wanted) expect(pattern.matches(tag)).toBe(true);
    for (const tag of others) expect(pattern.matches(tag)).toBe(false);
  });

  test.each([
    '',
    ':',
    ':*',
    'Alpine',
    'alpine:',
    'alpine:a b',
    'alpine:a b*',
    'alpine:!*',
    'library/*:latest',
    'library/*',
    '*:*',
    '**',
    'alpine@latest',
    'alpine@sha256:*',
    `alpine:*${'a'.repeat(128)}`,
    'ghcr.io/',
    'ghcr.io/:v1',
    'https://ghcr.io/owner/app',
  ])('cannot be %j', (text) => {
    expect(resolveImagePattern(text, upstreams)).toBe(undefined);
  });

  test('has to name its registry where there is no default upstream', () => {
    const none = makeUpstreams(['ghcr.io'], undefined);
    expect(resolveImagePattern('ghcr.io/owner/app', none)).toMatchObject({ kind: 'one' });
    for (const text of ['alpine', 'alpine:*', 'quay.io/owner/app:v*']) {
      expect(() => resolveImagePattern(text, none)).toThrow(RegistryError);
    }
  });
});
