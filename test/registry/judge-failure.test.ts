import { describe, expect, test } from 'vitest';
import { type FailureContext, judgeFailure, type Verdict } from '../../src/registry/fill/judge-failure.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../src/upstream/upstream-error.ts';

const first: FailureContext = { isConfirmed: false, failedAttempts: 0, canDropRange: false, otherSources: 0 };
const running: FailureContext = { ...first, isConfirmed: true };
const fail: Verdict = { kind: 'fail' };
const next: Verdict = { kind: 'nextSource', delayMs: 0 };

function again(delayMs: number): Verdict {
  return { kind: 'again', delayMs };
}

function failure(code: UpstreamErrorCode, retryAfterMs?: number): UpstreamError {
  return new UpstreamError(code, 'docker.io', 'it failed', retryAfterMs === undefined ? {} : { retryAfterMs });
}

const PASSING = ['RATE_LIMITED', 'UNREACHABLE', 'TIMEOUT', 'UNAVAILABLE'] as const;
const LASTING = ['NOT_FOUND', 'DENIED', 'CREDENTIALS_REFUSED', 'REFUSED'] as const;

describe('judgeFailure', () => {
  test.each(PASSING)('takes a running download up again after %s, and leaves one that never began', (code) => {
    expect(judgeFailure(failure(code), running)).toEqual(again(100));
    expect(judgeFailure(failure(code), first)).toEqual(fail);
    expect(judgeFailure(failure(code), { ...first, otherSources: 1 })).toEqual(next);
    expect(judgeFailure(failure(code), { ...running, otherSources: 1 })).toEqual(again(100));
  });

  test.each(LASTING)('goes elsewhere after %s, if there is somewhere else', (code) => {
    expect(judgeFailure(failure(code), running)).toEqual(fail);
    expect(judgeFailure(failure(code), { ...running, otherSources: 1 })).toEqual(next);
    expect(judgeFailure(failure(code), { ...first, otherSources: 2 })).toEqual(next);
  });

  test.each<[FailureContext, Verdict]>([
    [first, fail],
    [running, fail],
    [
      { ...first, canDropRange: true },
      { kind: 'withoutRange', delayMs: 0 },
    ],
    [
      { ...running, canDropRange: true, otherSources: 1 },
      { kind: 'withoutRange', delayMs: 0 },
    ],
    [{ ...running, otherSources: 1 }, next],
  ])('after nonsense, in %j, decides %j', (context, verdict) => {
    expect(judgeFailure(failure('INVALID'), context)).toEqual(verdict);
  });

  test('waits longer each time, 5 s at most, and gives up after six failures in a row', () => {
    const delays = Array.from({ length: 8 }, (_, failedAttempts) =>
      judgeFailure(failure('UNREACHABLE'), { ...running, failedAttempts }),
    );
    expect(delays).toEqual([...[100, 200, 400, 800, 1600, 3200].map(again), fail, fail]);
  });

  test.each([
    ['RATE_LIMITED', 0, 0, 100],
    ['RATE_LIMITED', 0, 2000, 2000],
    ['RATE_LIMITED', 0, 20_000, 20_000],
    ['RATE_LIMITED', 0, 3_600_000, 30_000],
    ['RATE_LIMITED', 4, 50, 1600],
    ['UNAVAILABLE', 0, 20_000, 5000],
  ] as const)(
    '%s after %i failures heeds a Retry-After of %i ms by waiting %i ms',
    (code, failedAttempts, told, waits) => {
      expect(judgeFailure(failure(code, told), { ...running, failedAttempts })).toEqual(again(waits));
    },
  );

  test.each([new Error('our own disk'), new TypeError('a bug'), 'text', undefined])('gives up after %s', (error) => {
    expect(judgeFailure(error, { ...running, otherSources: 3, canDropRange: true })).toEqual(fail);
  });
});
