import { describe, expect, test } from 'vitest';
import { scopeOf } from '../../../src/replication/comparing/rule-scope.ts';
import { ruleWith } from '../support/site.ts';

const ATTACHED = `sha256-${'a'.repeat(64)}`;

describe('the scope of a rule', () => {
  test('is repositories by their full names', () => {
    const { takesRepository } = scopeOf(ruleWith({ repositories: ['local/**', 'docker.io/library/*'] }));
    expect(takesRepository('local/team/app')).toBe(true);
    expect(takesRepository('docker.io/library/nginx')).toBe(true);
    expect(takesRepository('docker.io/grafana/grafana')).toBe(false);
  });

  test.each([
    { tags: ['*'], tag: 'v1', isTaken: true },
    { tags: ['v*', '*'], tag: `${ATTACHED}.sig`, isTaken: true },
    { tags: ['v*'], tag: 'v1', isTaken: true },
    { tags: ['v*'], tag: 'latest', isTaken: false },
    { tags: ['semver:>=1.2'], tag: '1.3.0', isTaken: true },
    { tags: ['regex:.+'], tag: 'latest', isTaken: true },
    { tags: ['regex:.+'], tag: `${ATTACHED}.sig`, isTaken: false },
    { tags: ['sha256-*'], tag: ATTACHED, isTaken: false },
  ])('has $tag among $tags: $isTaken', ({ tags, tag, isTaken }) => {
    expect(scopeOf(ruleWith({ tags })).takesTag(tag)).toBe(isTaken);
  });

  test.each([
    { tags: ['*'], takesAll: true },
    { tags: ['v*', '**'], takesAll: true },
    { tags: ['v*'], takesAll: false },
  ])('is all there is with $tags: $takesAll', ({ tags, takesAll }) => {
    expect(scopeOf(ruleWith({ tags })).takesAll).toBe(takesAll);
  });

  test.each([
    { as: '{repository}', name: 'local/app' },
    { as: 'mirror/{repository}', name: 'mirror/local/app' },
    { as: 'one/{repository}/{repository}', name: 'one/local/app/local/app' },
    { as: 'fixed', name: 'fixed' },
  ])('names a repository at the peer by $as', ({ as, name }) => {
    expect(scopeOf(ruleWith({ as })).nameAtPeer('local/app')).toBe(name);
  });
});
