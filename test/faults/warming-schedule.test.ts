import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { WarmReport } from '../../src/registry/operations/operations.ts';
import { WarmSchedule } from '../../src/registry/warming/warm-schedule.ts';
import type { Warmer } from '../../src/registry/warming/warmer.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { digestsOf, pullImage } from './support/built-images.ts';
import { metric } from './support/operator.ts';
import { setStage } from './support/stage.ts';
import { storedDigests } from './support/stored-files.ts';

const MORNING = new Date(2026, 4, 4, 4, 59, 59, 700);
const EVERY_HOUR = { images: ['alpine'], platforms: [], schedule: '0 * * * *' };
const REPORT: WarmReport = {
  images: 1,
  imagesDone: 1,
  blobs: 1,
  blobsDone: 1,
  bytes: 1,
  bytesDone: 1,
  fetchedBytes: 1,
  failures: [],
};

type Warm = Warmer['warm'];

/** A schedule over a warmer that does what the test says. */
function schedule(plans: readonly (typeof EVERY_HOUR)[], warm: Warm): WarmSchedule {
  const telemetry = new Telemetry(silentLogger(), new Metrics('here'));
  return new WarmSchedule(plans, { warm } satisfies Pick<Warmer, 'warm'> as Warmer, telemetry);
}

afterEach(() => {
  vi.useRealTimers();
});

describe('scheduled warming', () => {
  test('has images here when its time has come, and what moved since', async () => {
    // The clock stands until the test moves it; timers run.
    vi.useFakeTimers({ toFake: ['Date'], now: MORNING });
    const plan = { images: ['app:v*', 'index:v1'], platforms: ['linux/arm64'], schedule: '0 5 * * *' };
    await using stage = await setStage({ upstream: { freshFor: '1h' }, config: { warm: [plan] } });
    const { origin, mirror } = stage;
    const image = buildImage(origin, 'library/app', 'v1', { platform: 'linux/arm64' });
    const index = buildIndex(origin, 'library/index', 'v1', { seed: 7 });
    await sleep(50);
    expect(origin.requests).toEqual([]);
    vi.setSystemTime(new Date(2026, 4, 4, 5, 0, 0, 10));
    await expect
      .poll(() => metric(mirror, 'entrepot_warmed_images_total', { result: 'fresh' }), { timeout: 5000 })
      .toBe(2);
    const [, arm64] = index.images;
    if (!arm64) throw new Error('no second image');
    expect(await storedDigests(mirror)).toEqual([...digestsOf(image), index.digest, ...digestsOf(arm64)].toSorted());
    await origin.stop();
    await pullImage(mirror, '/v2/app', 'v1', image);
    await pullImage(mirror, '/v2/index', arm64.digest, arm64);
  });

  test('runs each plan at its times', async () => {
    vi.useFakeTimers({ now: MORNING });
    const ran: string[] = [];
    const plans = [EVERY_HOUR, { ...EVERY_HOUR, images: ['debian'], schedule: '30 5 * * 1' }];
    const warm: Warm = ({ images }) => {
      ran.push(`${new Date().getHours()}:${new Date().getMinutes()} ${images.join()}`);
      return Promise.resolve(REPORT);
    };
    await using _warming = schedule(plans, warm);
    await vi.advanceTimersByTimeAsync(200);
    expect(ran).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * 3_600_000);
    expect(ran).toEqual(['5:0 alpine', '5:30 debian', '6:0 alpine', '7:0 alpine'].slice(0, ran.length));
    expect(ran.length).toBeGreaterThanOrEqual(3);
  });

  test('does not begin what is still running, and begins it again after it ended', async () => {
    vi.useFakeTimers({ now: MORNING });
    const running: PromiseWithResolvers<WarmReport>[] = [];
    await using _warming = schedule([EVERY_HOUR], () => {
      const run = Promise.withResolvers<WarmReport>();
      running.push(run);
      return run.promise;
    });
    await vi.advanceTimersByTimeAsync(3 * 3_600_000 + 1000);
    expect(running).toHaveLength(1);
    running[0]?.resolve(REPORT);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(running).toHaveLength(2);
    running[1]?.resolve(REPORT);
  });

  test('goes on after a run that failed', async () => {
    vi.useFakeTimers({ now: MORNING });
    let runs = 0;
    await using _warming = schedule([EVERY_HOUR], () => {
      runs += 1;
      return Promise.reject(new Error('no such thing'));
    });
    await vi.advanceTimersByTimeAsync(2 * 3_600_000 + 1000);
    expect(runs).toBeGreaterThanOrEqual(2);
  });

  test('ends a run that is under way, and begins none after that', async () => {
    vi.useFakeTimers({ now: MORNING });
    let runs = 0;
    const warming = schedule([EVERY_HOUR], (_, { signal }) => {
      runs += 1;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(runs).toBe(1);
    await warming[Symbol.asyncDispose]();
    await vi.advanceTimersByTimeAsync(2 * 3_600_000);
    expect(runs).toBe(1);
  });
});
