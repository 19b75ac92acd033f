import { describe, expect, test } from 'vitest';
import { isWantedPlatform, parsePlatform, type Platform } from '../../src/oci/platform.ts';

function platform(text: string): Platform {
  const parsed = parsePlatform(text);
  if (!parsed) throw new Error(`no platform: ${text}`);
  return parsed;
}

describe('parsePlatform', () => {
  test.each([
    ['linux/amd64', { os: 'linux', architecture: 'amd64', variant: undefined }],
    ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['windows/amd64', { os: 'windows', architecture: 'amd64', variant: undefined }],
  ])('reads %j', (text, expected) => {
    expect(parsePlatform(text)).toEqual(expected);
  });

  test.each([
    '',
    'linux',
    'linux/',
    '/amd64',
    '/',
    'linux/arm/',
    'linux//v7',
    'linux/arm/v7/x',
    '//',
    'linux/amd64,linux',
    'Linux/AMD64',
  ])('refuses %j', (text) => {
    expect(parsePlatform(text)).toBe(undefined);
  });
});

describe('a platform', () => {
  test.each<[string | undefined, string[], boolean]>([
    ['linux/amd64', [], true],
    [undefined, [], true],
    [undefined, ['linux/amd64'], false],
    ['linux/amd64', ['linux/amd64'], true],
    ['linux/arm64', ['linux/amd64'], false],
    ['windows/amd64', ['linux/amd64'], false],
    ['linux/arm64', ['linux/amd64', 'linux/arm64'], true],
    ['unknown/unknown', ['linux/amd64'], false],
    // A variant counts where it is wanted.
    ['linux/arm/v7', ['linux/arm'], true],
    ['linux/arm/v6', ['linux/arm'], true],
    ['linux/arm/v7', ['linux/arm/v7'], true],
    ['linux/arm/v6', ['linux/arm/v7'], false],
    ['linux/amd64', ['linux/amd64/v3'], false],
    ['linux/amd64/v3', ['linux/amd64'], true],
    // Without one it is the architecture's usual one.
    ['linux/arm64', ['linux/arm64/v8'], true],
    ['linux/arm64/v8', ['linux/arm64'], true],
    ['linux/arm64', ['linux/arm64/v9'], false],
    ['linux/arm', ['linux/arm/v7'], true],
    ['linux/arm', ['linux/arm/v6'], false],
  ])('%s, where %j are wanted: %j', (text, wanted, expected) => {
    expect(isWantedPlatform(text === undefined ? undefined : platform(text), wanted.map(platform))).toBe(expected);
  });
});
