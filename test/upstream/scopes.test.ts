import { expect, test } from 'vitest';
import { type ScopeTarget, scopesFor } from '../../src/upstream/scopes.ts';

const repository = 'team/app';
const PULL = 'repository:team/app:pull';
const BOTH = 'repository:team/app:pull,push';
const DELETE = 'repository:team/app:delete';
const BASE = 'repository:team/base:pull';

test.each<[string, ScopeTarget, readonly string[], readonly string[]]>([
  ['reading', { repository }, [], [PULL]],
  ['reading, another name', { repository }, ['repository:library/app:pull'], ['repository:library/app:pull']],
  ['reading, ECR Public', { repository }, ['aws'], [PULL, 'aws']],
  ['reading, twice the same', { repository }, [PULL, PULL], [PULL]],
  ['a login', { access: 'login' }, [], []],
  [
    'a login that is named a scope',
    { access: 'login' },
    ['registry:catalog:*', 'aws', 'aws'],
    ['registry:catalog:*', 'aws'],
  ],
  ['pushing', { access: 'push', repository }, [], [BOTH]],
  ['pushing, as named', { access: 'push', repository }, [BOTH], [BOTH]],
  [
    'pushing, in another order',
    { access: 'push', repository },
    ['repository:team/app:push,pull'],
    ['repository:team/app:push,pull'],
  ],
  ['pushing, everything', { access: 'push', repository }, ['repository:team/app:*'], ['repository:team/app:*']],
  ['pushing, GHCR names pull', { access: 'push', repository }, [PULL], [BOTH]],
  ['pushing, push alone is too little', { access: 'push', repository }, ['repository:team/app:push'], [BOTH]],
  [
    'pushing, a class',
    { access: 'push', repository },
    ['repository(plugin):team/app:pull,push'],
    ['repository(plugin):team/app:pull,push'],
  ],
  ['pushing, ECR Public', { access: 'push', repository }, ['aws'], [BOTH, 'aws']],
  ['a mount', { access: 'push', repository, from: 'team/base' }, [], [BOTH, BASE]],
  ['a mount, the other one first', { access: 'push', repository, from: 'team/base' }, [BASE, BOTH], [BOTH, BASE]],
  ['a port in the name', { access: 'push', repository: 'host:80/a' }, [], ['repository:host:80/a:pull,push']],
  ['deleting', { access: 'delete', repository }, [], [BOTH]],
  ['deleting, as named', { access: 'delete', repository }, [DELETE], [DELETE]],
  ['deleting, ECR Public', { access: 'delete', repository }, ['aws'], [BOTH, 'aws']],
])('%s', (_, target, named, expected) => {
  expect(scopesFor(target, named)).toEqual(expected);
});
