import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestAlgorithm, digestHex, digestOf, matchesDigest, parseDigest, type Digest } from '../../src/oci/digest.ts';
import { digestOf as expectedDigest } from '../support/bytes.ts';

const HEX_64 = '0123456789abcdef'.repeat(4);
const HEX_128 = '0123456789abcdef'.repeat(8);
const algorithm = fc.constantFrom('sha256' as const, 'sha512' as const);

describe('parseDigest', () => {
  test.each([`sha256:${HEX_64}`, `sha512:${HEX_128}`])('takes %s', (text) => {
    expect(parseDigest(text)).toBe(text);
  });

  test.each([
    '',
    ':',
    'sha256',
    'sha256:',
    HEX_64,
    `:${HEX_64}`,
    `sha256:${HEX_64.slice(1)}`,
    `sha256:${HEX_64}0`,
    `sha256:${HEX_128}`,
    `sha512:${HEX_64}`,
    `sha256:${HEX_64.toUpperCase()}`,
    `SHA256:${HEX_64}`,
    `sha256:${HEX_64.slice(1)}g`,
    `sha256:${HEX_64}\n`,
    `\nsha256:${HEX_64}`,
    ` sha256:${HEX_64}`,
    `sha256::${HEX_64.slice(1)}`,
    `sha384:${'0'.repeat(96)}`,
    `md5:${'0'.repeat(32)}`,
    `sha256-${HEX_64}`,
    `sha256+b64:${HEX_64}`,
    `sha256:${'٠'.repeat(64)}`,
    `sha256:../../../${HEX_64.slice(9)}`,
    `constructor:${HEX_64}`,
    `__proto__:${HEX_64}`,
  ])('refuses %j', (text) => {
    expect(parseDigest(text)).toBe(undefined);
  });

  test('takes no string but the canonical ones', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const canonical = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
        expect(parseDigest(text)).toBe(canonical ? text : undefined);
      }),
    );
  });
});

describe('a digest', () => {
  test('of any bytes is what node:crypto says, and can be read again', () => {
    fc.assert(
      fc.property(fc.uint8Array(), algorithm, (bytes, name) => {
        const digest = digestOf(bytes, name);
        expect(digest).toBe(expectedDigest(bytes, name));
        expect(parseDigest(digest)).toBe(digest);
        expect(`${digestAlgorithm(digest)}:${digestHex(digest)}`).toBe(digest);
        expect(matchesDigest(bytes, digest)).toBe(true);
      }),
    );
  });

  test('does not match when one bit of the bytes is another', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), algorithm, fc.nat(), (bytes, name, at) => {
        const digest = digestOf(bytes, name);
        const changed = bytes.slice();
        const position = at % bytes.length;
        changed[position] = (changed[position] ?? 0) ^ 1;
        expect(matchesDigest(changed, digest)).toBe(false);
      }),
    );
  });

  test('of nothing is the well-known one', () => {
    const empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' as Digest;
    expect(digestOf(new Uint8Array())).toBe(empty);
  });
});
