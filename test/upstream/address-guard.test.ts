import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { AddressGuard, type AddressGuardOptions } from '../../src/upstream/address-guard.ts';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';

const NAMES: Record<string, readonly string[]> = {
  'public.test': ['93.184.216.34'],
  'inside.test': ['10.1.2.3'],
  'metadata.test': ['169.254.169.254'],
  'both.test': ['127.0.0.1', '93.184.216.34'],
};

describe('a redirect from a public registry', () => {
  it.each([
    ['https://93.184.216.34/x', true],
    ['https://public.test/x', true],
    ['https://127.0.0.1/x', false],
    ['https://2130706433/x', false],
    ['https://0x7f.1/x', false],
    ['https://[::1]/x', false],
    ['https://[::ffff:127.0.0.1]/x', false],
    ['https://169.254.169.254/latest/meta-data/', false],
    ['https://192.168.0.1/x', false],
    ['https://0.0.0.0/x', false],
    ['http://public.test/x', false],
    ['ftp://public.test/x', false],
    ['file:///etc/passwd', false],
    ['https://user@public.test/x', false],
  ])('to %s is allowed: %s', async (to, isAllowed) => {
    expect(await verdictOn(to, 'https://public.test')).toBe(isAllowed ? 'allowed' : 'INVALID');
  });

  it.each([
    ['public.test', ['93.184.216.34']],
    ['both.test', ['93.184.216.34']],
    ['inside.test', undefined],
    ['metadata.test', undefined],
    ['nowhere.test', undefined],
  ])('connects to %s at %j', async (hostname, addresses) => {
    expect(await addressesOf(guard('https://public.test'), hostname)).toEqual(addresses);
  });
});

describe('a redirect from a registry that is inside itself', () => {
  it.each([
    ['https://10.1.2.3', 'https://192.168.0.1/x', true],
    ['https://inside.test', 'https://192.168.0.1/x', true],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:9000/x', true],
    ['http://127.0.0.1:5000', 'http://172.17.0.2:9000/x', true],
    ['https://inside.test', 'https://169.254.169.254/x', false],
    ['https://inside.test', 'http://192.168.0.1/x', false],
    ['https://unknown.test', 'https://192.168.0.1/x', false],
  ])('at %s to %s is allowed: %s', async (from, to, isAllowed) => {
    expect(await verdictOn(to, from)).toBe(isAllowed ? 'allowed' : 'INVALID');
  });

  it('connects to names of inside too', async () => {
    expect(await addressesOf(guard('https://10.1.2.3'), 'inside.test')).toEqual(['10.1.2.3']);
    expect(await addressesOf(guard('https://10.1.2.3'), 'metadata.test')).toBeUndefined();
  });
});

describe('allowHosts', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:9000/x', true],
    ['127.0.0.1:9000', 'http://127.0.0.1:9000/x', true],
    ['127.0.0.1:9000', 'http://127.0.0.1:9001/x', false],
    ['10.0.0.1:443', 'https://10.0.0.1/x', true],
    ['[::1]:80', 'http://[::1]/x', true],
    ['Plain.test', 'http://plain.test/x', true],
    ['*.plain.test', 'http://a.b.plain.test/x', true],
    ['*.plain.test', 'http://plain.test/x', false],
    ['*.plain.test', 'http://evilplain.test/x', false],
    ['plain.test', 'ftp://plain.test/x', false],
  ])('%s lets us go to %s: %s', async (allowed, to, isAllowed) => {
    const verdict = await verdictOn(to, 'https://public.test', { allowHosts: [allowed] });
    expect(verdict).toBe(isAllowed ? 'allowed' : 'INVALID');
  });
});

it('through a proxy judges what it can see', async () => {
  const targets = ['https://localhost/x', 'https://a.localhost/x', 'https://10.0.0.1/x', 'https://inside.test/x'];
  const verdicts = await Promise.all(targets.map((to) => verdictOn(to, 'https://public.test', { isProxied: true })));
  expect(verdicts).toEqual(['INVALID', 'INVALID', 'INVALID', 'allowed']);
});

it('tells one address where only one is asked for', async () => {
  const { lookup } = guard('https://public.test');
  const found = await new Promise((done) => {
    lookup('both.test', {}, (_, address, family) => done([address, family]));
  });
  expect(found).toEqual(['93.184.216.34', 4]);
});

function guard(url: string, options: Partial<AddressGuardOptions> = {}): AddressGuard {
  return new AddressGuard({ upstream: 'r', url: new URL(url), allowHosts: [], isProxied: false, resolve, ...options });
}

function resolve(hostname: string): Promise<LookupAddress[]> {
  const addresses = NAMES[hostname];
  if (!addresses) return Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
  return Promise.resolve(addresses.map((address) => ({ address, family: 4 })));
}

/** The verdict on a redirect from the registry. */
function verdictOn(to: string, from: string, options: Partial<AddressGuardOptions> = {}): Promise<string> {
  return guard(from, options)
    .check(new URL(from), new URL(to))
    .then(
      () => 'allowed',
      (error: unknown) => (error instanceof UpstreamError ? error.code : String(error)),
    );
}

/** undefined: it refuses to connect. */
function addressesOf({ lookup }: AddressGuard, hostname: string): Promise<string[] | undefined> {
  return new Promise((done) => {
    lookup(hostname, { all: true }, (error, addresses) => {
      const found = Array.isArray(addresses) ? addresses.map(({ address }) => address) : [];
      done(error ? undefined : found);
    });
  });
}
