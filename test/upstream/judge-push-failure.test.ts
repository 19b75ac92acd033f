import { expect, test } from 'vitest';
import { judgePushFailure, type PushProgress, type PushVerdict } from '../../src/upstream/judge-push-failure.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../src/upstream/upstream-error.ts';

const fresh: PushProgress = { isResumed: false, hasRestarted: false, asked: 0 };
const resumed: PushProgress = { ...fresh, isResumed: true };
const again: PushProgress = { ...resumed, hasRestarted: true };
const asked: PushProgress = { ...resumed, asked: 3 };

function verdict(code: UpstreamErrorCode, status: number | undefined, progress: PushProgress, reason?: string) {
  const options = { ...(status !== undefined && { status }), reason };
  return judgePushFailure(new UpstreamError(code, 'us-east', 'it failed', options), progress);
}

test.each<UpstreamErrorCode>(['UNREACHABLE', 'TIMEOUT', 'RATE_LIMITED', 'DENIED', 'CREDENTIALS_REFUSED', 'NOT_FOUND'])(
  'after %s an upload is left as it is',
  (code) => {
    for (const progress of [fresh, resumed, again, asked]) expect(verdict(code, undefined, progress)).toBe('leave');
  },
);

test.each<[UpstreamErrorCode, number, [PushVerdict, PushVerdict, PushVerdict, PushVerdict]]>([
  ['REFUSED', 400, ['giveUp', 'ask', 'ask', 'giveUp']],
  ['REFUSED', 405, ['giveUp', 'ask', 'ask', 'giveUp']],
  ['REFUSED', 416, ['giveUp', 'ask', 'ask', 'giveUp']],
  ['REFUSED', 404, ['lookFirst', 'lookFirst', 'giveUp', 'lookFirst']],
  ['REFUSED', 410, ['lookFirst', 'lookFirst', 'giveUp', 'lookFirst']],
  ['REFUSED', 409, ['leave', 'leave', 'leave', 'leave']],
  ['REFUSED', 413, ['leave', 'leave', 'leave', 'leave']],
  ['REFUSED', 507, ['leave', 'leave', 'leave', 'leave']],
  ['INVALID', 202, ['giveUp', 'giveUp', 'giveUp', 'giveUp']],
  ['UNAVAILABLE', 500, ['leave', 'giveUp', 'giveUp', 'giveUp']],
  ['UNAVAILABLE', 503, ['leave', 'leave', 'leave', 'leave']],
])('after %s with %i an upload that is fresh, resumed, begun anew, asked after: %j', (code, status, expected) => {
  expect([fresh, resumed, again, asked].map((progress) => verdict(code, status, progress))).toEqual(expected);
});

test('other bytes than expected are sent anew once, if they came by several requests', () => {
  const verdicts = [fresh, resumed, again, asked].map((progress) =>
    verdict('REFUSED', 400, progress, 'DIGEST_INVALID'),
  );
  expect(verdicts).toEqual(['giveUp', 'restart', 'giveUp', 'restart']);
});

test('what is no answer of the registry leaves the upload as it is', () => {
  expect(judgePushFailure(new Error('the disk is gone'), resumed)).toBe('leave');
});
