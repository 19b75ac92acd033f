import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { Sibling } from '../../src/upstream/sibling.ts';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';
import type { CallOptions, Upstream } from '../../src/upstream/upstream.ts';

const WANTED = { repository: 'origin.test/a', digest: `sha256:${'1'.repeat(64)}` as Digest };

let now = 0;
beforeEach(() => {
  now = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A sibling that never ends its answers, and what it was asked for. */
function siblingThatDawdles() {
  const asked: CallOptions[] = [];
  const client = { name: 'near', report: () => ({ isBreakerOpen: false }), mayAsk: () => true } as unknown as Upstream;
  const telemetry = new Telemetry(silentLogger(), new Metrics('test'));
  const sibling = new Sibling({ client, site: 'near', telemetry, now: () => now });
  const ask = (signal?: AbortSignal) =>
    sibling.ask(WANTED, { ...(signal && { signal }) }, async (_client, options) => {
      asked.push(options);
      const { promise, reject } = Promise.withResolvers<never>();
      options.signal?.addEventListener('abort', () => reject(new UpstreamError('TIMEOUT', 'near', 'given up')));
      return promise;
    });
  return { sibling, asked, ask };
}

async function runOut(asking: Promise<unknown>): Promise<unknown> {
  const ended = asking.catch((error: unknown) => error);
  now += 4_000;
  await vi.advanceTimersByTimeAsync(4_000);
  return ended;
}

test('a sibling whose answers take too long is held back after two of them, and tried again after a while', async () => {
  const { sibling, asked, ask } = siblingThatDawdles();
  for (let time = 0; time < 2; time += 1) expect(await runOut(ask())).toMatchObject({ code: 'TIMEOUT' });
  expect(sibling.mayAsk('miss')).toBe(false);
  expect(sibling.report().isBreakerOpen).toBe(true);
  await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE', upstream: 'near' });
  expect(asked).toHaveLength(2);
  now += 1_001;
  expect(sibling.mayAsk('miss')).toBe(true);
  await runOut(ask());
  expect(asked).toHaveLength(3);
});

test('a caller who leaves says nothing of the sibling', async () => {
  const { sibling, asked, ask } = siblingThatDawdles();
  for (let time = 0; time < 5; time += 1) {
    const leaving = new AbortController();
    const asking = ask(leaving.signal);
    leaving.abort();
    await expect(asking).rejects.toMatchObject({ code: 'TIMEOUT' });
  }
  expect(asked).toHaveLength(5);
  expect(sibling.mayAsk('miss')).toBe(true);
});

test('one answer in time makes good for those that were late', async () => {
  const { sibling, ask } = siblingThatDawdles();
  for (let time = 0; time < 3; time += 1) {
    await runOut(ask());
    expect(await sibling.ask(WANTED, {}, async () => 'here')).toBe('here');
  }
  expect(sibling.mayAsk('miss')).toBe(true);
});
