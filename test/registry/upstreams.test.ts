import { describe, expect, test } from 'vitest';
import { makeUpstreams } from './operations/make-upstreams.ts';

describe('which repository a request means, where ghcr.io and docker.io are mirrored and local is hosted', () => {
  const upstreams = makeUpstreams(['docker.io', 'ghcr.io'], 'docker.io', ['local', 'team-a']);

  test.each<[string, string | undefined, string | undefined]>([
    ['local/app', undefined, 'local/app'],
    ['local/some/deep/app', undefined, 'local/some/deep/app'],
    ['team-a/app', undefined, 'team-a/app'],
    // A hosted repository has two parts at least: this is one of Docker Hub's official images.
    ['local', undefined, 'docker.io/library/local'],
    ['locals/app', undefined, 'docker.io/locals/app'],
    ['ghcr.io/local/app', undefined, 'ghcr.io/local/app'],
    ['local/app', 'ghcr.io', 'ghcr.io/local/app'],
    ['local/app', 'docker.io', 'docker.io/local/app'],
    ['local/', undefined, undefined],
    ['local/App', undefined, undefined],
    ['local//app', undefined, undefined],
  ])('%s with the namespace %s is %s', (path, namespace, name) => {
    expect(upstreams.resolve({ path, namespace })?.name).toBe(name);
  });

  test.each(['local', 'other'])('the namespace %s is none of a registry', (namespace) => {
    expect(() => upstreams.resolve({ path: 'local/app', namespace })).toThrow(
      expect.objectContaining({ code: 'NAME_UNKNOWN' }),
    );
  });

  test('what is hosted is known as such, and nothing else is', () => {
    expect(upstreams.isHosted({ registry: 'local' })).toBe(true);
    for (const registry of ['docker.io', 'loca', '', 'quay.io']) expect(upstreams.isHosted({ registry })).toBe(false);
    expect(upstreams.has('local')).toBe(false);
    expect(upstreams.repositoryNamed('local/app')).toBe(undefined);
    expect(() => upstreams.get('local')).toThrow(expect.objectContaining({ code: 'NAME_UNKNOWN' }));
  });
});

test('without a default upstream hosted repositories are there, and nothing else without a registry', () => {
  const upstreams = makeUpstreams([], undefined, ['local']);
  expect(upstreams.resolve({ path: 'local/app', namespace: undefined })?.name).toBe('local/app');
  expect(() => upstreams.resolve({ path: 'other/app', namespace: undefined })).toThrow(
    expect.objectContaining({ code: 'NAME_UNKNOWN' }),
  );
});
