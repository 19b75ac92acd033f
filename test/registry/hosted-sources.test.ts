import { describe, expect, test } from 'vitest';
import { HostedSources } from '../../src/registry/hosted-sources.ts';
import { makeRepository } from '../../src/oci/repository.ts';
import { Siblings } from '../../src/upstream/siblings.ts';
import { makeUpstreams } from './operations/make-upstreams.ts';

const siblings = new Siblings([]);
const sources = new HostedSources([
  { repositories: ['local/alone/**'], siblings: undefined },
  { repositories: ['local/**', 'team/app'], siblings },
]);

describe('who else may have what is pushed here', () => {
  test.each([
    ['local', 'app', true],
    ['local', 'some/deep/app', true],
    ['local', 'alone/app', false],
    ['team', 'app', true],
    ['team', 'other', false],
  ])('of %s/%s: %s', (namespace, path, hasSiblings) => {
    expect(sources.of(makeRepository(namespace, path)) !== undefined).toBe(hasSiblings);
  });
});

test('a repository has a source if it has an upstream or siblings', () => {
  const upstreams = makeUpstreams(['docker.io'], 'docker.io', ['local', 'team'], sources);
  for (const name of ['docker.io/library/app', 'local/app']) {
    const repository = upstreams.sourcedRepository(name);
    expect(repository?.name).toBe(name);
    expect(repository && upstreams.sourceOf(repository)).toBeDefined();
  }
  for (const name of ['local/alone/app', 'team/other', 'quay.io/app', 'local', 'local/App', '/local', '']) {
    expect(upstreams.sourcedRepository(name)).toBeUndefined();
  }
  expect(upstreams.sourceOf(makeRepository('team', 'other'))).toBeUndefined();
  expect(upstreams.siblingsOf(makeRepository('docker.io', 'library/app'))).toBeUndefined();
});
