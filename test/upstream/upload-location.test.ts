import { expect, test } from 'vitest';
import { AddressGuard } from '../../src/upstream/address-guard.ts';
import { checkedLocation, closingLocation } from '../../src/upstream/upload-location.ts';
import { digest } from './connect.ts';

const DIGEST = digest(`sha256:${'a'.repeat(64)}`);
const ESCAPED = `digest=sha256%3A${'a'.repeat(64)}`;

test.each([
  ['https://r.test/v2/a/blobs/uploads/1', `https://r.test/v2/a/blobs/uploads/1?${ESCAPED}`],
  ['https://r.test/u?', `https://r.test/u?${ESCAPED}`],
  ['https://r.test/u?_state=a%2Bb+c%3D%3D', `https://r.test/u?_state=a%2Bb+c%3D%3D&${ESCAPED}`],
  ['https://s3.test/u?X-Sig=a%2Fb&b=%20&a', `https://s3.test/u?X-Sig=a%2Fb&b=%20&a&${ESCAPED}`],
])('%s is ended at %s', (location, expected) => {
  expect(closingLocation(new URL(location), DIGEST).href).toBe(expected);
});

function check(base: string, location: string): Promise<URL> {
  const url = new URL(base);
  const guard = new AddressGuard({ upstream: 'us-east', url, allowHosts: [], isProxied: false });
  const send = () => Promise.reject(new Error('nothing is sent'));
  return checkedLocation(new URL(location), { upstream: 'us-east', base: url, send }, guard);
}

test.each([
  ['https://r.test/', 'https://r.test/v2/u#part', 'https://r.test/v2/u'],
  ['https://r.test/', 'http://r.test/v2/u?_state=1', 'https://r.test/v2/u?_state=1'],
  ['https://r.test:8443/', 'http://r.test/v2/u', 'https://r.test:8443/v2/u'],
  ['https://r.test/', 'https://storage.test/u', 'https://storage.test/u'],
  ['http://127.0.0.1:5000/', 'http://127.0.0.1:6000/u', 'http://127.0.0.1:6000/u'],
])('from %s an upload goes on to %s as %s', async (base, location, expected) => {
  expect((await check(base, location)).href).toBe(expected);
});

test.each([
  ['https://r.test/', 'http://storage.test/u'],
  ['https://r.test/', 'https://10.0.0.1/u'],
  ['https://r.test/', 'https://[::1]/u'],
  ['http://127.0.0.1:5000/', 'http://169.254.169.254/u'],
])('from %s an upload does not go on to %s', async (base, location) => {
  await expect(check(base, location)).rejects.toMatchObject({ code: 'INVALID' });
});
