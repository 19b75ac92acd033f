import { describe, expect, test } from 'vitest';
import { parseScope } from '../../src/access/scope.ts';

describe('a scope', () => {
  test.each([
    ['repository:local/app:pull', 'local/app', ['pull']],
    ['repository:local/app:pull,push', 'local/app', ['pull', 'push']],
    ['repository:local/app:push,pull', 'local/app', ['pull', 'push']],
    ['repository:local/app:*', 'local/app', ['pull', 'push', 'delete']],
    ['repository:local/app:delete', 'local/app', ['delete']],
    ['repository:local/app:pull,fly', 'local/app', ['pull']],
    ['repository:local/app:', 'local/app', []],
    ['repository:localhost:5000/app:pull', 'localhost:5000/app', ['pull']],
    ['repository(plugin):library/app:pull', 'library/app', ['pull']],
  ])('"%s" is about %s', (text, path, actions) => {
    expect(parseScope(text)).toEqual({ kind: 'repository', path, actions: new Set(actions) });
  });

  test('may be the catalog', () => {
    expect(parseScope('registry:catalog:*')).toEqual({ kind: 'catalog' });
  });

  test.each(['', 'repository', 'repository:app', 'registry:catalog:pull', 'registry:other:*', 'repository::pull', 'x'])(
    '"%s" is none that is known',
    (text) => {
      expect(parseScope(text)).toBeUndefined();
    },
  );
});
