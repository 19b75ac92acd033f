import { describe, expect, test } from 'vitest';
import { MetadataError } from '../../src/metadata/metadata-error.ts';
import { RegistryError } from '../../src/registry/registry-error.ts';
import {
  type FailureKind,
  judgeFailure,
  kindOfFailure,
  MissingError,
  StalledError,
} from '../../src/replication/judge-failure.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../src/upstream/upstream-error.ts';

const PEER = 'us-east';

function answered(code: UpstreamErrorCode, status?: number, message = 'it says no', reason?: string): UpstreamError {
  return new UpstreamError(code, PEER, message, { ...(status !== undefined && { status }), reason });
}

describe('whose fault it is', () => {
  test.each<[FailureKind, unknown]>([
    ['peer', answered('UNREACHABLE')],
    ['peer', answered('TIMEOUT')],
    ['peer', answered('UNAVAILABLE', 500)],
    ['peer', answered('RATE_LIMITED', 429)],
    ['peer', answered('CREDENTIALS_REFUSED', 401)],
    ['refused', answered('DENIED', 401)],
    ['full', answered('REFUSED', 413)],
    ['full', answered('UNAVAILABLE', 507)],
    ['full', answered('DENIED', 403, 'adding 2 MiB would exceed the configured upper limit')],
    ['full', answered('REFUSED', 412, 'the quota of the project is used up')],
    ['full', answered('DENIED', 403, 'the system is in read only mode, any modification is prohibited')],
    ['full', answered('REFUSED', 400, 'the clock of eu-west is ahead: the change is of 2026, and here it is 2025')],
    ['refused', answered('REFUSED', 413, 'the manifest is too large', 'SIZE_INVALID')],
    ['refused', answered('REFUSED', 400)],
    ['refused', answered('DENIED', 403)],
    ['refused', answered('NOT_FOUND', 404)],
    ['refused', answered('INVALID')],
    ['missing', new MissingError('sha256:0')],
    ['missing', new RegistryError('CONTENT_LOST', 'it is gone')],
    ['missing', new RegistryError('UPSTREAM_TIMEOUT', 'it does not answer')],
    ['missing', new UpstreamError('UNREACHABLE', 'docker.io', 'no way')],
    ['refused', new RegistryError('MANIFEST_INVALID', 'it is no manifest')],
    ['refused', new RegistryError('NAME_UNKNOWN', 'it can be no name')],
    ['refused', new TypeError('a mistake of ours')],
    ['ours', new RegistryError('STORE_FAILED', 'the disk fails')],
    ['ours', new MetadataError('INDEX_FAILED', 'the disk fails')],
    ['ours', new StalledError(300_000)],
  ])('%s: %s', (kind, error) => {
    expect(kindOfFailure(error, PEER)).toBe(kind);
  });
});

describe('what becomes of a job', () => {
  test.each<[FailureKind, number, number, object]>([
    ['peer', 1, 1000, { state: 'pending', counts: false }],
    ['peer', 4, 8000, { state: 'pending', counts: false }],
    ['peer', 1000, 60_000, { state: 'pending', counts: false }],
    ['full', 1, 1000, { state: 'pending', counts: true }],
    ['full', 1000, 300_000, { state: 'pending', counts: true }],
    ['ours', 3, 4000, { state: 'pending', counts: true }],
    ['ours', 1000, 300_000, { state: 'pending', counts: true }],
    ['refused', 1, 1000, { state: 'pending', counts: true }],
    ['refused', 2, 4000, { state: 'pending', counts: true }],
    ['refused', 4, 64_000, { state: 'pending', counts: true }],
    ['missing', 1, 1000, { state: 'waiting', counts: true }],
    ['missing', 9, 256_000, { state: 'waiting', counts: true }],
    ['missing', 19, 300_000, { state: 'waiting', counts: true }],
  ])('%s, try %d: again after about %d ms', (kind, tries, delayMs, how) => {
    expect(judgeFailure(kind, tries, 0.5)).toEqual({ kind: 'retry', delayMs, ...how });
    expect(judgeFailure(kind, tries, 0)).toMatchObject({ delayMs: delayMs * 0.75 });
    expect(judgeFailure(kind, tries, 1)).toMatchObject({ delayMs: delayMs * 1.25 });
  });

  test('what is refused five times is parked', () => {
    expect(judgeFailure('refused', 5, 0.5)).toEqual({ kind: 'parked' });
  });

  test('what is missing for about an hour is given up', () => {
    const delays = Array.from({ length: 19 }, (_, tries) => judgeFailure('missing', tries + 1, 0.5));
    const waitedMs = delays.reduce((sum, verdict) => sum + (verdict.kind === 'retry' ? verdict.delayMs : 0), 0);
    expect(waitedMs).toBeGreaterThan(55 * 60_000);
    expect(waitedMs).toBeLessThan(65 * 60_000);
    expect(judgeFailure('missing', 20, 0.5)).toEqual({ kind: 'incomplete' });
  });
});
