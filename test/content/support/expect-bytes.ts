import { expect } from 'vitest';

/** Fails with the place where bytes begin to differ, instead of a diff of all of them. */
export function expectBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  expect(actual).toBeDefined();
  const bytes = Buffer.from(actual ?? []);
  const isEqual = bytes.equals(expected);
  const differsAt = isEqual ? -1 : bytes.findIndex((byte, position) => byte !== expected[position]);
  expect({ length: bytes.length, differsAt }).toEqual({ length: expected.length, differsAt: -1 });
  expect(isEqual).toBe(true);
}
