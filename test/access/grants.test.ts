import { describe, expect, test } from 'vitest';
import { grantedScopes, grantScopes } from '../../src/access/grants.ts';
import { Policy } from '../../src/access/policy.ts';
import { ANONYMOUS, type Principal } from '../../src/access/principal.ts';
import { parseScope } from '../../src/access/scope.ts';

const policy = new Policy([
  { who: ['ci'], may: ['pull', 'push'], mayNot: [], in: ['local/**', 'docker.io/**'] },
  { who: ['peer'], may: ['replicate'], mayNot: [], in: ['docker.io/**', 'local/replicas/**'] },
  { who: ['both'], may: ['push', 'replicate'], mayNot: [], in: ['local/**'] },
  { who: ['anonymous'], may: [], mayNot: ['pull'], in: ['local/secret/**'] },
  { who: ['anonymous'], may: ['pull'], mayNot: [], in: ['**'] },
]);

function resolve(path: string): { name: string; isHosted: boolean } | undefined {
  if (/[A-Z]/.test(path)) return undefined;
  if (path.startsWith('local/')) return { name: path, isHosted: true };
  if (path.startsWith('docker.io/')) return { name: path, isHosted: false };
  return { name: `docker.io/${path.includes('/') ? '' : 'library/'}${path}`, isHosted: false };
}

/** What a token for these scopes says, and which of them it covers in Docker's words. */
function granted(principal: Principal, ...texts: readonly string[]): { grants: object; scopes: string } {
  const scopes = texts.flatMap((text) => parseScope(text) ?? []);
  const content = grantScopes(scopes, principal, { policy, resolve });
  const grants = Object.fromEntries(content.grants.map(({ repository, actions }) => [repository, actions.join()]));
  return { grants, scopes: grantedScopes(scopes, content, resolve).join(' ') };
}

function user(name: string): Principal {
  return { name, isAnonymous: false };
}

describe('a token', () => {
  test.each<[string, Principal, string[], object, string]>([
    [
      'covers what is allowed',
      user('ci'),
      ['repository:local/app:pull,push'],
      { 'local/app': 'pull,push' },
      'repository:local/app:pull,push',
    ],
    [
      'covers the part that is allowed',
      user('ci'),
      ['repository:local/app:*'],
      { 'local/app': 'pull,push' },
      'repository:local/app:pull,push',
    ],
    [
      'of anonymous covers pulls',
      ANONYMOUS,
      ['repository:local/app:pull,push'],
      { 'local/app': 'pull' },
      'repository:local/app:pull',
    ],
    ['may cover nothing', ANONYMOUS, ['repository:local/secret/app:pull,push'], {}, ''],
    [
      'has names in full',
      ANONYMOUS,
      ['repository:nginx:pull'],
      { 'docker.io/library/nginx': 'pull' },
      'repository:nginx:pull',
    ],
    [
      'covers no writes to an upstream by push',
      user('ci'),
      ['repository:nginx:pull,push,delete'],
      { 'docker.io/library/nginx': 'pull' },
      'repository:nginx:pull',
    ],
    [
      'covers writes to an upstream by replicate',
      user('peer'),
      ['repository:nginx:pull,push'],
      { 'docker.io/library/nginx': 'pull,replicate' },
      'repository:nginx:pull,push',
    ],
    [
      'covers writes to hosted ones by replicate, in the words of a push',
      user('peer'),
      ['repository:local/replicas/a:pull,push,delete'],
      { 'local/replicas/a': 'pull,replicate' },
      'repository:local/replicas/a:pull,push,delete',
    ],
    [
      'covers what is allowed of pushing and replicating to hosted ones',
      user('both'),
      ['repository:local/app:push'],
      { 'local/app': 'push,replicate' },
      'repository:local/app:push',
    ],
    [
      'covers no replication that was not asked for',
      user('both'),
      ['repository:local/a:pull'],
      { 'local/a': 'pull' },
      'repository:local/a:pull',
    ],
    ['covers no writes that are allowed elsewhere', user('peer'), ['repository:local/secret/a:push,delete'], {}, ''],
    [
      'covers several repositories, and one that is named twice',
      user('ci'),
      ['repository:local/a:push', 'repository:local/b:pull', 'repository:local/a:pull'],
      { 'local/a': 'push,pull', 'local/b': 'pull' },
      'repository:local/a:push repository:local/b:pull repository:local/a:pull',
    ],
    ['covers nothing that is no repository', user('ci'), ['repository:LOCAL:pull'], {}, ''],
  ])('%s', (_, principal, scopes, grants, covered) => {
    expect(granted(principal, ...scopes)).toEqual({ grants, scopes: covered });
  });

  test('lists the catalog if it was asked for', () => {
    expect(granted(ANONYMOUS, 'registry:catalog:*').scopes).toBe('registry:catalog:*');
    const scope = parseScope('repository:local/app:pull');
    expect(grantScopes(scope ? [scope] : [], ANONYMOUS, { policy, resolve }).mayList).toBe(false);
  });
});
