import { expect, it } from 'vitest';
import { TokenCache } from '../../src/upstream/token-cache.ts';
import type { TokenGrant } from '../../src/upstream/token-client.ts';

it('asks once however many ask for the same token at the same time', async () => {
  const { cache, server } = setUp();
  const tokens = await Promise.all(Array.from({ length: 20 }, () => cache.get('key', server.ask)));
  expect(new Set(tokens.map((token) => token?.value))).toEqual(new Set(['token-1']));
  expect((await cache.get('other', server.ask))?.value).toBe('token-2');
});

it('asks again shortly before a token runs out', async () => {
  const { cache, clock, server } = setUp();
  await cache.get('key', server.ask);
  clock.now += 269_000;
  expect((await cache.get('key', server.ask))?.value).toBe('token-1');
  clock.now += 2000;
  expect((await cache.get('key', server.ask))?.value).toBe('token-2');
});

it('forgets a refused token, but not the one that has replaced it', async () => {
  const { cache, server } = setUp();
  const first = await cache.get('key', server.ask);
  if (first) cache.drop('key', first);
  expect((await cache.get('key', server.ask))?.value).toBe('token-2');
  if (first) cache.drop('key', first);
  expect((await cache.get('key', server.ask))?.value).toBe('token-2');
});

it('remembers neither a refusal nor an error', async () => {
  const { cache, server } = setUp();
  expect(await cache.get('key', () => Promise.resolve({ refused: 401 }))).toBeUndefined();
  await expect(cache.get('key', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
  expect((await cache.get('key', server.ask))?.value).toBe('token-1');
});

function setUp() {
  const clock = { now: 1000 };
  let issued = 0;
  const ask = (): Promise<TokenGrant> =>
    Promise.resolve({ token: { value: `token-${++issued}`, lifetimeMs: 300_000 } });
  return { clock, cache: new TokenCache(() => clock.now), server: { ask } };
}
