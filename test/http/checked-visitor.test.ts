import { expect, test } from 'vitest';
import { ANONYMOUS } from '../../src/access/principal.ts';
import { AccessRefusal } from '../../src/http/access-refusal.ts';
import { CheckedVisitor } from '../../src/http/checked-visitor.ts';

test('what a request is about is what was required first, whatever else is asked for on the way', () => {
  const visitor = new CheckedVisitor({
    principal: ANONYMOUS,
    may: (action) => action === 'push',
    isOpen: () => false,
    refuse: () => new AccessRefusal('DENIED', 'no'),
  });
  visitor.require('push', 'local/app');
  expect(() => visitor.require('pull', 'local/secret')).toThrow('no');
  expect(visitor.required).toEqual({ action: 'push', repository: 'local/app' });
});

test('of several actions one is enough, and the one that is allowed counts', () => {
  const visitor = new CheckedVisitor({
    principal: ANONYMOUS,
    may: (action, repository) => action === 'replicate' && repository === 'local/app',
    isOpen: () => false,
    refuse: (actions, repository) => new AccessRefusal('DENIED', `no ${actions.join()} in ${repository}`),
  });
  visitor.require(['push', 'replicate'], 'local/app');
  expect(visitor.required).toEqual({ action: 'replicate', repository: 'local/app' });
  expect(() => visitor.require(['push', 'replicate'], 'local/other')).toThrow('no push,replicate in local/other');
});
