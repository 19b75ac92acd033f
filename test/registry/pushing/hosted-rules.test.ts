import { describe, expect, test } from 'vitest';
import { HostedRules } from '../../../src/registry/pushing/hosted-rules.ts';

describe('the rules of hosted repositories', () => {
  const rules = new HostedRules([
    { repositories: ['local/releases/**'], immutable: ['v*', 'stable'], deletes: false },
    { repositories: ['local/**', 'other/app'], sparse: true, retention: { keepLast: 3 } },
    { repositories: ['**'], deletes: false },
  ]);

  test.each([
    ['local/releases/app', { hasImmutable: true, allowsDeletes: false, isSparse: false, retention: undefined }],
    ['local/releases', { hasImmutable: false, allowsDeletes: true, isSparse: true, retention: { keepLast: 3 } }],
    ['other/app', { hasImmutable: false, allowsDeletes: true, isSparse: true, retention: { keepLast: 3 } }],
    ['other/app2', { hasImmutable: false, allowsDeletes: false, isSparse: false, retention: undefined }],
  ])('for %s are those of the first one that matches', (repository, expected) => {
    expect(rules.of(repository)).toMatchObject(expected);
  });

  test.each([
    ['v1', true],
    ['stable', true],
    ['stable2', false],
    ['latest', false],
  ])('say of the tag %s that it never moves: %s', (tag, isImmutable) => {
    expect(rules.of('local/releases/app').isImmutable(tag)).toBe(isImmutable);
  });

  test('allow everything but what is not there, where none is given', () => {
    const rule = new HostedRules([]).of('local/app');
    expect(rule).toMatchObject({ hasImmutable: false, allowsDeletes: true, isSparse: false, retention: undefined });
    expect(rule.isImmutable('v1')).toBe(false);
  });
});
