import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { describeError, type RequestEvent, Telemetry } from '../../src/telemetry/telemetry.ts';
import { UpstreamError } from '../../src/upstream/upstream-error.ts';

function telemetry(): Telemetry {
  return new Telemetry(silentLogger(), new Metrics('eu-west'));
}

/** The samples of the program's own metrics, without the site that all of them have. */
async function samples({ metrics }: Telemetry): Promise<string[]> {
  const text = await metrics.registry.metrics();
  const own = text.split('\n').filter((line) => line.startsWith('entrepot_'));
  expect(own.filter((line) => !line.includes('site="eu-west"'))).toEqual([]);
  return own.map((line) => line.replace(/site="eu-west",|,?site="eu-west"/, '').replace('{}', ''));
}

const request: RequestEvent = {
  requestId: '1',
  method: 'GET',
  route: 'blob',
  upstream: 'docker.io',
  repository: 'docker.io/library/app',
  reference: 'v1',
  client: '127.0.0.1',
  status: 200,
  outcome: 'hit',
  bytes: 1000,
  seconds: 0.25,
  failure: undefined,
};

describe('the metrics', () => {
  test.each([
    'entrepot_requests_total counter',
    'entrepot_request_seconds histogram',
    'entrepot_client_bytes_total counter',
    'entrepot_lookups_total counter',
    'entrepot_upstream_requests_total counter',
    'entrepot_upstream_request_seconds histogram',
    'entrepot_upstream_bytes_total counter',
    'entrepot_upstream_rate_limit gauge',
    'entrepot_upstream_breaker_open gauge',
    'entrepot_fills_running gauge',
    'entrepot_fills_total counter',
    'entrepot_fill_seconds histogram',
    'entrepot_blobs gauge',
    'entrepot_disk_bytes gauge',
    'nodejs_eventloop_lag_seconds gauge',
    'process_resident_memory_bytes gauge',
  ])('have %s, with a help text', async (name) => {
    const metrics = new Metrics('eu-west');
    metrics.observeDisk(() =>
      Promise.resolve({ freeBytes: 1, totalBytes: 2, blobs: 3, contentBytes: 4, inFlightBytes: 0 }),
    );
    const text = await metrics.registry.metrics();
    expect(text).toContain(`# TYPE ${name}\n`);
    expect(text).toMatch(new RegExp(`# HELP ${name.split(' ')[0]} \\S+`));
  });

  test('tell what the disk holds at the moment of looking, at the first look too', async () => {
    const told = telemetry();
    let blobs = 3;
    told.metrics.observeDisk(() =>
      Promise.resolve({ freeBytes: 10, totalBytes: 100, quotaBytes: 90, blobs, contentBytes: 70, inFlightBytes: 5 }),
    );
    expect(await samples(told)).toEqual(
      expect.arrayContaining([
        'entrepot_blobs 3',
        'entrepot_disk_bytes{what="blobs"} 70',
        'entrepot_disk_bytes{what="in-flight"} 5',
        'entrepot_disk_bytes{what="quota"} 90',
        'entrepot_disk_bytes{what="free"} 10',
        'entrepot_disk_bytes{what="total"} 100',
      ]),
    );
    blobs = 4;
    expect(await samples(told)).toContain('entrepot_blobs 4');
  });

  test('count requests, hits and bytes', async () => {
    const told = telemetry();
    told.requestAnswered(request);
    told.requestAnswered({ ...request, outcome: 'miss' });
    told.requestAnswered({ ...request, route: 'ping', upstream: undefined, outcome: undefined, bytes: 2 });
    told.requestAnswered({ ...request, status: 502, outcome: undefined, bytes: 0, failure: new Error('x') });
    expect(await samples(told)).toEqual(
      expect.arrayContaining([
        'entrepot_requests_total{route="blob",status="200",outcome="hit"} 1',
        'entrepot_requests_total{route="ping",status="200",outcome="none"} 1',
        'entrepot_requests_total{route="blob",status="502",outcome="none"} 1',
        'entrepot_lookups_total{kind="blob",result="hit"} 1',
        'entrepot_lookups_total{kind="blob",result="miss"} 1',
        'entrepot_client_bytes_total{upstream="docker.io"} 2000',
        'entrepot_request_seconds_count{route="blob"} 3',
      ]),
    );
  });

  test('count what upstreams do', async () => {
    const told = telemetry();
    told.upstreamAnswered({ upstream: 'ghcr.io', kind: 'blob', method: 'GET', status: 206, seconds: 0.1 });
    told.upstreamAnswered({ upstream: 'ghcr.io', kind: 'token', method: 'GET', status: 'TIMEOUT', seconds: 30 });
    told.upstreamReceived('ghcr.io', 5000);
    told.rateLimitSeen({ upstream: 'ghcr.io', account: 'alice', limit: 100, remaining: 99 });
    told.breakerMoved({ upstream: 'ghcr.io', open: true });
    expect(await samples(told)).toEqual(
      expect.arrayContaining([
        'entrepot_upstream_requests_total{upstream="ghcr.io",kind="blob",status="206"} 1',
        'entrepot_upstream_requests_total{upstream="ghcr.io",kind="token",status="TIMEOUT"} 1',
        'entrepot_upstream_bytes_total{upstream="ghcr.io"} 5000',
        'entrepot_upstream_rate_limit{upstream="ghcr.io",account="alice",which="remaining"} 99',
        'entrepot_upstream_breaker_open{upstream="ghcr.io"} 1',
      ]),
    );
  });

  test('count fills that run and that ended', async () => {
    const told = telemetry();
    const ended = {
      upstream: 'ghcr.io',
      repository: 'ghcr.io/a',
      digest: 'sha256:x',
      bytes: 10,
      seconds: 1,
      isKept: true,
    };
    for (let number = 0; number < 4; number += 1) told.fillStarted();
    told.fillEnded({ ...ended, error: undefined });
    told.fillEnded({ ...ended, isKept: false, error: undefined });
    told.fillEnded({ ...ended, error: new Error('broken') });
    expect(await samples(told)).toEqual(
      expect.arrayContaining([
        'entrepot_fills_running 1',
        'entrepot_fills_total{upstream="ghcr.io",result="stored"} 1',
        'entrepot_fills_total{upstream="ghcr.io",result="passed"} 1',
        'entrepot_fills_total{upstream="ghcr.io",result="failed"} 1',
        'entrepot_fill_seconds_count 2',
      ]),
    );
  });
});

describe('describeError', () => {
  test.each<[unknown, object]>([
    [new UpstreamError('TIMEOUT', 'ghcr.io', 'too slow'), { code: 'TIMEOUT', error: 'ghcr.io: too slow' }],
    [new Error('plain'), { code: undefined, error: 'plain' }],
    [Object.assign(new Error('x'), { code: 7 }), { code: undefined, error: 'x' }],
    ['text', { code: undefined, error: 'text' }],
    [undefined, { code: undefined, error: 'undefined' }],
  ])('of %s is its code and message, without a stack', (error, expected) => {
    expect(describeError(error)).toEqual(expected);
  });
});
