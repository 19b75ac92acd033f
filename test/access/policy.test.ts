import { describe, expect, test } from 'vitest';
import { Policy, type PolicyRuleOptions } from '../../src/access/policy.ts';
import { type Action, ANONYMOUS } from '../../src/access/principal.ts';

const ACTIONS: readonly Action[] = ['pull', 'push', 'delete', 'replicate'];

/** What a policy lets somebody do to a repository. */
function allowed(rules: readonly PolicyRuleOptions[] | undefined, who: string, repository: string): Action[] {
  const principal = who === 'anonymous' ? ANONYMOUS : { name: who, isAnonymous: false };
  const policy = new Policy(rules);
  return ACTIONS.filter((action) => policy.allows(principal, action, repository));
}

/** `who may in`, and `who !mayNot in`. */
function rule(who: string, actions: string, globs: string): PolicyRuleOptions {
  const words = actions.split(',');
  const names = (isRefusal: boolean) =>
    words.filter((word) => word.startsWith('!') === isRefusal).map((word) => word.replace('!', '') as Action);
  return { who: who.split(','), may: names(false), mayNot: names(true), in: globs.split(',') };
}

const EVERYONE_PULLS = rule('anonymous', 'pull', '**');

test.each([
  ['anonymous', 'docker.io/library/nginx', ['pull']],
  ['alice', 'local/app', ['pull']],
])('without a policy %s may only pull', (who, repository, actions) => {
  expect(allowed(undefined, who, repository)).toEqual(actions);
});

test('with an empty policy nobody may do anything', () => {
  expect(allowed([], 'anonymous', 'local/app')).toEqual([]);
  expect(allowed([], 'alice', 'local/app')).toEqual([]);
});

describe('a rule', () => {
  test.each<[string, PolicyRuleOptions[], string, string, string]>([
    ['for a name is for nobody else', [rule('ci', 'push', '**')], 'ci', 'local/app', 'push'],
    ['for a name is for nobody else', [rule('ci', 'push', '**')], 'alice', 'local/app', ''],
    ['for a name is not for anonymous', [rule('ci', 'push', '**')], 'anonymous', 'local/app', ''],
    ['for several names', [rule('ci,alice', 'push', '**')], 'alice', 'local/app', 'push'],
    ['for anonymous is for everyone', [rule('anonymous', 'pull', '**')], 'alice', 'local/app', 'pull'],
    ['for authenticated is for users', [rule('authenticated', 'pull', '**')], 'alice', 'local/app', 'pull'],
    ['for authenticated is not for anonymous', [rule('authenticated', 'pull', '**')], 'anonymous', 'local/app', ''],
    ['is about its repositories', [rule('ci', 'push,pull', 'local/**')], 'ci', 'local/a/b', 'pull,push'],
    ['is about no others', [rule('ci', 'push,pull', 'local/**')], 'ci', 'docker.io/library/a', ''],
    ['with one star is about one part', [rule('ci', 'push', 'local/*')], 'ci', 'local/a/b', ''],
    ['to push is none to replicate', [rule('ci', 'push', '**')], 'ci', 'docker.io/library/a', 'push'],
    ['to replicate is none to push', [rule('peer', 'replicate', '**')], 'peer', 'local/a', 'replicate'],
  ])('%s: %j', (_, rules, who, repository, actions) => {
    expect(allowed(rules, who, repository).join()).toBe(actions);
  });
});

describe('the first rule that matches decides', () => {
  const secret = [rule('anonymous', '!pull', 'local/secret/**'), EVERYONE_PULLS];

  test.each<[string, PolicyRuleOptions[], string, string, string]>([
    ['refusing before allowing', secret, 'alice', 'local/secret/a', ''],
    ['refusing elsewhere', secret, 'alice', 'local/open', 'pull'],
    ['allowing before refusing', [rule('ci', 'pull', '**'), ...secret], 'ci', 'local/secret/a', 'pull'],
    ['about another action', [rule('ci', '!push', '**'), rule('ci', 'push,pull', '**')], 'ci', 'local/a', 'pull'],
    ['both in one', [rule('ci', 'pull,!push', '**'), rule('ci', 'push', '**')], 'ci', 'local/a', 'pull'],
    ['the same action in both', [rule('ci', 'pull,!pull', '**')], 'ci', 'local/a', ''],
  ])('%s', (_, rules, who, repository, actions) => {
    expect(allowed(rules, who, repository).join()).toBe(actions);
  });
});

test('a user who is called like a group gets nothing of it', () => {
  expect(allowed([rule('authenticated', 'push', '**')], 'anonymous', 'local/a')).toEqual([]);
});
