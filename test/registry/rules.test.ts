import { describe, expect, test } from 'vitest';
import { makeRepository } from '../../src/oci/repository.ts';
import { UpstreamRules, type UpstreamRulesOptions } from '../../src/registry/rules.ts';

const hub: UpstreamRulesOptions = {
  freshForMs: 1,
  staleWhileRevalidateMs: 2,
  staleIfErrorMs: 3,
  immutable: [],
  onUpstreamDelete: 'keep',
  allow: [],
  deny: [],
  rules: [],
};

const debian = makeRepository('docker.io', 'library/debian');
const bitnami = makeRepository('docker.io', 'bitnami/redis');
const freshness = { freshForMs: 1, staleWhileRevalidateMs: 2, staleIfErrorMs: 3 };

describe("a repository's rules", () => {
  test('are those of its upstream where no rule matches', () => {
    const rules = new UpstreamRules({
      ...hub,
      immutable: ['v*'],
      onUpstreamDelete: 'drop',
      rules: [{ repositories: ['bitnami/*'], freshForMs: 99 }],
    });
    const { freshness: own, isImmutable, onUpstreamDelete } = rules.tags(debian);
    expect(own).toEqual(freshness);
    expect(['v1', 'latest'].map(isImmutable)).toEqual([true, false]);
    expect(onUpstreamDelete).toBe('drop');
  });

  test.each([
    ['library/debian'],
    ['docker.io/library/debian'],
    ['library/*'],
    ['docker.io/library/*'],
    ['**'],
    ['**/debian'],
  ])('are those of the rule with %j, in full or as the upstream names it', (pattern) => {
    const rules = new UpstreamRules({ ...hub, rules: [{ repositories: ['nothing', pattern], freshForMs: 99 }] });
    expect(rules.tags(debian).freshness.freshForMs).toBe(99);
  });

  test.each([['debian'], ['library'], ['*'], ['ghcr.io/library/debian'], ['library/debian/x']])(
    'are not those of a rule with %j',
    (pattern) => {
      const rules = new UpstreamRules({ ...hub, rules: [{ repositories: [pattern], freshForMs: 99 }] });
      expect(rules.tags(debian).freshness).toEqual(freshness);
    },
  );

  test('are those of the first rule that matches, alone', () => {
    const rules = new UpstreamRules({
      ...hub,
      rules: [
        { repositories: ['library/debian'], freshForMs: 10 },
        { repositories: ['library/*'], freshForMs: 20, staleIfErrorMs: 30 },
        { repositories: [], freshForMs: 40 },
      ],
    });
    expect(rules.tags(debian).freshness).toEqual({ ...freshness, freshForMs: 10 });
    expect(rules.tags(makeRepository('docker.io', 'library/x')).freshness).toEqual({
      ...freshness,
      freshForMs: 20,
      staleIfErrorMs: 30,
    });
    expect(rules.tags(bitnami).freshness).toEqual(freshness);
  });

  test.each([
    [{ freshForMs: 0 }, { ...freshness, freshForMs: 0 }],
    [{ staleWhileRevalidateMs: Infinity }, { ...freshness, staleWhileRevalidateMs: Infinity }],
    [{ staleIfErrorMs: 0 }, { ...freshness, staleIfErrorMs: 0 }],
  ])('with %j leave the rest as the upstream has it', (rule, expected) => {
    const rules = new UpstreamRules({
      ...hub,
      immutable: ['v*'],
      onUpstreamDelete: 'drop',
      rules: [{ repositories: ['**'], ...rule }],
    });
    expect(rules.tags(debian).freshness).toEqual(expected);
    expect(rules.tags(debian).isImmutable('v1')).toBe(true);
    expect(rules.tags(debian).onUpstreamDelete).toBe('drop');
  });

  test('can take back what the upstream has', () => {
    const rules = new UpstreamRules({
      ...hub,
      immutable: ['v*'],
      onUpstreamDelete: 'drop',
      rules: [{ repositories: ['**'], immutable: [], onUpstreamDelete: 'keep' }],
    });
    expect(rules.tags(debian).isImmutable('v1')).toBe(false);
    expect(rules.tags(debian).onUpstreamDelete).toBe('keep');
  });
});

describe('what may be pulled', () => {
  test.each<[string[], string[], boolean, boolean]>([
    [[], [], true, true],
    [['library/*'], [], true, false],
    [['docker.io/library/*'], [], true, false],
    [['library/*', 'bitnami/*'], [], true, true],
    [[], ['bitnami/**'], true, false],
    [[], ['docker.io/bitnami/redis'], true, false],
    [[], ['**'], false, false],
    [['**'], ['library/debian'], false, true],
    [['library/debian'], ['library/debian'], false, false],
    [['ghcr.io/**'], [], false, false],
  ])('with allow %j and deny %j is debian: %j, redis: %j', (allow, deny, mayDebian, mayRedis) => {
    const rules = new UpstreamRules({ ...hub, allow, deny });
    expect([rules.refusal(debian), rules.refusal(bitnami)].map((reason) => reason === undefined)).toEqual([
      mayDebian,
      mayRedis,
    ]);
  });

  test('is told with the repository and the list that says so', () => {
    const denied = new UpstreamRules({ ...hub, deny: ['**'] }).refusal(debian);
    expect(denied).toContain('docker.io/library/debian');
    expect(denied).toContain('upstreams.docker.io.deny');
    const notAllowed = new UpstreamRules({ ...hub, allow: ['bitnami/*'] }).refusal(debian);
    expect(notAllowed).toContain('docker.io/library/debian');
    expect(notAllowed).toContain('upstreams.docker.io.allow');
  });
});
