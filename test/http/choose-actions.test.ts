import { expect, test } from 'vitest';
import { chooseActions, type RepositoryRequest } from '../../src/http/choose-actions.ts';

type Case = [what: string, request: Partial<RepositoryRequest>, actions: readonly string[] | undefined];

const [hosted, proxied] = [{ isHosted: true }, { isHosted: false }];
const replica = { isReplicated: true };
const nobody = { isAnonymous: true };

test.each<Case>([
  ['a pull', { kind: 'manifest', method: 'GET', ...hosted }, ['pull']],
  ['a HEAD of what is proxied', { kind: 'blob', method: 'HEAD', ...proxied }, ['pull']],
  ['a pull that says it is a replica', { kind: 'manifest', method: 'GET', ...hosted, ...replica }, ['pull']],
  ['a list', { kind: 'referrers', method: 'GET', ...proxied }, ['pull']],
  ['a push', { kind: 'manifest', method: 'PUT', ...hosted }, ['push']],
  ['a push to what is proxied', { kind: 'manifest', method: 'PUT', ...proxied }, ['replicate']],
  ['a deletion', { kind: 'manifest', method: 'DELETE', ...hosted }, ['delete']],
  ['a deletion of what is proxied', { kind: 'manifest', method: 'DELETE', ...proxied }, ['replicate']],
  ['a deletion of a blob', { kind: 'blob', method: 'DELETE', ...hosted }, ['delete']],
  ['a deletion of a blob that says more', { kind: 'blob', method: 'DELETE', ...hosted, ...replica }, ['delete']],
  ['a replica', { kind: 'manifest', method: 'PUT', ...hosted, ...replica }, ['replicate']],
  ['a replica of what is proxied', { kind: 'manifest', method: 'PUT', ...proxied, ...replica }, ['replicate']],
  ['a deletion that is repeated', { kind: 'manifest', method: 'DELETE', ...hosted, ...replica }, ['replicate']],
  ['an upload', { kind: 'upload', method: 'POST', ...hosted }, ['push', 'replicate']],
  ['how far an upload is', { kind: 'upload', method: 'GET', ...hosted }, ['push', 'replicate']],
  ['the end of an upload without a result', { kind: 'upload', method: 'DELETE', ...hosted }, ['push', 'replicate']],
  ['an upload to what is proxied', { kind: 'upload', method: 'PUT', ...proxied }, ['replicate']],
  ["anybody's push", { kind: 'manifest', method: 'PUT', ...hosted, ...nobody }, ['push']],
  ["anybody's upload", { kind: 'upload', method: 'POST', ...hosted, ...nobody }, ['push']],
  ["anybody's replica", { kind: 'manifest', method: 'PUT', ...hosted, ...replica, ...nobody }, undefined],
  ["anybody's replica of what is proxied", { kind: 'manifest', method: 'PUT', ...replica, ...nobody }, undefined],
  ["anybody's repeated deletion", { kind: 'manifest', method: 'DELETE', ...replica, ...nobody }, undefined],
])('%s needs its own permission', (_, request, actions) => {
  const common = { kind: 'manifest', method: 'GET', isHosted: false, isReplicated: false, isAnonymous: false } as const;
  expect(chooseActions({ ...common, ...request })).toEqual(actions);
});
