import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from '../../src/util/secret.ts';

test.each<[string, (secret: Secret) => string]>([
  ['a template', (secret) => `it is ${secret as unknown as string}`],
  ['concatenation', (secret) => 'x' + String(secret)],
  ['JSON', (secret) => JSON.stringify({ secret })],
  ['inspection', (secret) => inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
  ['its keys and values', (secret) => JSON.stringify(Object.entries(secret))],
  ['an error that carries it', (secret) => inspect(Object.assign(new Error('x'), { secret }))],
])('a secret does not show itself in %s', (_, show) => {
  expect(show(new Secret('hunter2'))).not.toContain('hunter2');
});

test('a secret tells itself when asked', () => {
  expect(new Secret('hunter2').reveal()).toBe('hunter2');
});
