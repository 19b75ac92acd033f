import { expect, test } from 'vitest';
import { comparePassword, hashPassword } from '../../src/access/bcrypt.ts';

/** Openwall's test vectors. */
const VECTORS = [
  ['U*U', 'CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['U*U*', 'CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'],
  ['', 'CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy'],
] as const;

test.each(
  VECTORS.flatMap(([password, tail]) => ['$2a$05$', '$2b$05$', '$2y$05$'].map((prefix) => [prefix + tail, password])),
)('%s is a hash of "%s" and of nothing else', async (hash, password) => {
  expect(await comparePassword(password, hash)).toBe(true);
  expect(await comparePassword(`${password}x`, hash)).toBe(false);
});

test('a new hash fits its password, and is another one each time', async () => {
  const hashes = [await hashPassword('zoë'), await hashPassword('zoë')];
  expect(new Set(hashes).size).toBe(2);
  for (const hash of hashes) {
    expect(hash).toMatch(/^\$2b\$10\$/);
    expect(await comparePassword('zoë', hash)).toBe(true);
    expect(await comparePassword('zoe', hash)).toBe(false);
  }
});

test('hashing does not hold up the event loop', async () => {
  let turns = 0;
  const turning = setInterval(() => {
    turns += 1;
  }, 1);
  await Promise.all([hashPassword('a'), hashPassword('b'), hashPassword('c')]);
  clearInterval(turning);
  expect(turns).toBeGreaterThan(0);
});
