import { expect, test } from 'vitest';
import { AddressGuard } from '../../src/upstream/address-guard.ts';
import type { UpstreamRequest } from '../../src/upstream/exchange.ts';
import { LeftUploads } from '../../src/upstream/left-uploads.ts';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';
import { digest } from './connect.ts';

const base = new URL('https://registry.test/');
const guard = new AddressGuard({ upstream: 'us-east', url: base, allowHosts: [], isProxied: false });
const upload = { receivedBytes: 0, minChunkBytes: 0, isFresh: true };

function digestOf(number: number): ReturnType<typeof digest> {
  return digest(`sha256:${String(number).padStart(64, '0')}`);
}

/** Uploads at a registry that answers as it is told to, and what it was asked. */
function scene(keptForMs?: number, answer: () => Error | undefined = () => undefined) {
  const asked: string[] = [];
  const send = async (request: UpstreamRequest) => {
    asked.push(`${request.method} ${request.url.pathname} ${request.access}`);
    const error = answer();
    if (error) throw error;
    return { status: 204, headers: {}, url: request.url, body: (async function* () {})(), discard() {}, drop() {} };
  };
  const api = { upstream: 'us-east', base, send };
  const left = new LeftUploads(api, keptForMs);
  const target = (repository = 'team/app') => ({ api, guard, repository, signal: undefined });
  const keep = (number: number, repository?: string) =>
    left.keep(target(repository), digestOf(number), { ...upload, location: new URL(`/${number}`, base) });
  return { left, target, keep, asked };
}

test('what is kept is taken once, and then it is nobody else to be cancelled', async () => {
  const { asked, keep, left, target } = scene();
  keep(1);
  expect(left.take(target('other'), digestOf(1))).toBe(undefined);
  expect(left.take(target(), digestOf(1))?.location.pathname).toBe('/1');
  expect(left.take(target(), digestOf(1))).toBe(undefined);
  await left[Symbol.asyncDispose]();
  expect(asked).toEqual([]);
});

test('what nobody takes is cancelled after a while', async () => {
  const { asked, keep } = scene(10);
  keep(1);
  await expect.poll(() => asked).toEqual(['DELETE /1 delete']);
});

test('what is too much is cancelled, the oldest first', () => {
  const { asked, keep } = scene();
  for (let number = 0; number < 502; number++) keep(number);
  expect(asked).toEqual(['DELETE /0 delete', 'DELETE /1 delete']);
});

test('where nobody may cancel it is not tried again', async () => {
  const { asked, left, target } = scene(undefined, () => new UpstreamError('DENIED', 'us-east', 'no', { status: 403 }));
  for (const number of [1, 2]) await left.cancel(target(), new URL(`/${number}`, base));
  await left.cancel(target('team/other'), new URL('/3', base));
  expect(asked).toEqual(['DELETE /1 delete', 'DELETE /3 delete']);
});

test.each(['TIMEOUT', 'UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED'] as const)(
  'that a registry is in trouble (%s) is no error',
  async (code) => {
    const { asked, keep, left } = scene(undefined, () => new UpstreamError(code, 'us-east', 'not now'));
    keep(1);
    await left[Symbol.asyncDispose]();
    expect(asked).toEqual(['DELETE /1 delete']);
  },
);
