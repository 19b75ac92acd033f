import { describe, expect, test } from 'vitest';
import { cacheHeaders } from '../../src/http/cache-headers.ts';
import { answerForError, errorAnswer, errorJson } from '../../src/http/error-answer.ts';
import type { Outcome } from '../../src/registry/outcome.ts';
import { RegistryError, type RegistryErrorCode, toRegistryError } from '../../src/registry/registry-error.ts';
import { ContentError } from '../../src/content/content-error.ts';
import { MetadataError } from '../../src/metadata/metadata-error.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../src/upstream/upstream-error.ts';

describe('cacheHeaders', () => {
  test.each<[Outcome, string]>([
    ['hit', 'entrepot; hit'],
    ['miss', 'entrepot; fwd=miss; stored'],
    ['stale', 'entrepot; hit; fwd=stale; detail=stale'],
    ['revalidated', 'entrepot; hit; fwd=stale; detail=revalidated'],
    ['updating', 'entrepot; hit; detail=updating'],
    ['bypass', 'entrepot; fwd=bypass'],
  ])('says of %s: %s', (outcome, status) => {
    expect(cacheHeaders(outcome, 0)).toEqual({ Age: 0, 'Cache-Status': status });
    expect(cacheHeaders(outcome, 0, true)['Cache-Status']).toBe(`${status}; collapsed`);
  });

  test.each([
    [0, 0],
    [999, 0],
    [1000, 1],
    [86_400_000.5, 86_400],
  ])('gives %d ms as an age of %i whole seconds', (ageMs, seconds) => {
    expect(cacheHeaders('hit', ageMs)['Age']).toBe(seconds);
  });
});

function bodyOf(body: unknown): unknown {
  return JSON.parse(Buffer.from(body as Uint8Array).toString());
}

describe('answerForError', () => {
  test.each<[RegistryErrorCode, number, string]>([
    ['NAME_UNKNOWN', 404, 'NAME_UNKNOWN'],
    ['MANIFEST_UNKNOWN', 404, 'MANIFEST_UNKNOWN'],
    ['BLOB_UNKNOWN', 404, 'BLOB_UNKNOWN'],
    ['DENIED', 403, 'DENIED'],
    ['RATE_LIMITED', 429, 'TOOMANYREQUESTS'],
    ['UPSTREAM_FAILED', 502, 'UNKNOWN'],
    ['UPSTREAM_UNAVAILABLE', 503, 'UNKNOWN'],
    ['UPSTREAM_TIMEOUT', 504, 'UNKNOWN'],
    ['STORE_FAILED', 503, 'UNKNOWN'],
    ['CONTENT_LOST', 503, 'UNKNOWN'],
    ['MANIFEST_INVALID', 400, 'MANIFEST_INVALID'],
    ['DIGEST_INVALID', 400, 'DIGEST_INVALID'],
    ['SIZE_INVALID', 400, 'SIZE_INVALID'],
    ['MANIFEST_TOO_LARGE', 413, 'SIZE_INVALID'],
    ['MANIFEST_BLOB_UNKNOWN', 404, 'MANIFEST_BLOB_UNKNOWN'],
    ['TAG_IMMUTABLE', 403, 'DENIED'],
    ['UPLOAD_UNKNOWN', 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['UPLOAD_INVALID', 400, 'BLOB_UPLOAD_INVALID'],
    ['UPLOAD_BUSY', 409, 'BLOB_UPLOAD_INVALID'],
    ['RANGE_INVALID', 416, 'BLOB_UPLOAD_INVALID'],
    ['TOO_MANY_UPLOADS', 429, 'TOOMANYREQUESTS'],
    ['NO_ROOM', 413, 'DENIED'],
    ['DELETES_OFF', 405, 'UNSUPPORTED'],
    ['CONTENT_IN_USE', 405, 'DENIED'],
  ])('answers %s with %i %s', (code, status, told) => {
    const answer = answerForError(new RegistryError(code, 'why "so"'));
    expect(answer).toMatchObject({ status, headers: { 'Content-Type': 'application/json' } });
    expect(answer?.headers['Retry-After']).toBe(undefined);
    expect(bodyOf(answer?.body)).toEqual({ errors: [{ code: told, message: 'why "so"' }] });
  });

  test('tells each of the details as an error of its own', () => {
    const details = [{ digest: 'sha256:1' }, { digest: 'sha256:2' }] as const;
    const answer = answerForError(new RegistryError('MANIFEST_BLOB_UNKNOWN', 'missing', { details }));
    const error = { code: 'MANIFEST_BLOB_UNKNOWN', message: 'missing' };
    expect(bodyOf(answer?.body)).toEqual({
      errors: [
        { ...error, detail: details[0] },
        { ...error, detail: details[1] },
      ],
    });
  });

  test('says with 405 what is possible', () => {
    expect(answerForError(new RegistryError('DELETES_OFF', 'no'))?.headers).toMatchObject({ Allow: 'GET, HEAD' });
  });

  test.each([
    [0, 1],
    [1, 1],
    [1000, 1],
    [1001, 2],
    [3_600_000, 3600],
  ])('tells %d ms as Retry-After: %i', (retryAfterMs, seconds) => {
    const answer = answerForError(new RegistryError('RATE_LIMITED', 'wait', { retryAfterMs }));
    expect(answer?.headers['Retry-After']).toBe(seconds);
  });

  test.each([new Error('x'), new TypeError('x'), 'x', undefined, null, { code: 'NAME_UNKNOWN' }])(
    'leaves %s, which is not meant for clients',
    (error) => {
      expect(answerForError(error)).toBe(undefined);
    },
  );

  test.each<UpstreamErrorCode>([
    'DENIED',
    'CREDENTIALS_REFUSED',
    'RATE_LIMITED',
    'UNREACHABLE',
    'TIMEOUT',
    'UNAVAILABLE',
    'REFUSED',
    'INVALID',
  ])('never answers an upstream that is %s with 404 or 401', (code) => {
    const error = new UpstreamError(code, 'docker.io', 'it failed', { status: 404 });
    const status = answerForError(toRegistryError(error, 'BLOB_UNKNOWN'))?.status;
    expect(status).toBeGreaterThanOrEqual(403);
    expect(status).not.toBe(404);
  });

  test('answers trouble with our own disk or index with 503', () => {
    for (const error of [new ContentError('STORE_FULL', 'x'), new MetadataError('INDEX_FULL', 'x')]) {
      expect(answerForError(toRegistryError(error, 'BLOB_UNKNOWN'))?.status).toBe(503);
    }
  });
});

describe('an error in the shape of the distribution-spec', () => {
  test('tells the length of its body, in bytes', () => {
    const answer = errorAnswer(400, 'NAME_INVALID', 'ä'.repeat(100), { Allow: 'GET' });
    expect(answer.headers).toMatchObject({ 'Content-Length': (answer.body as Uint8Array).length, Allow: 'GET' });
  });

  test('repeats at most 512 characters of what a client sent', () => {
    const { errors } = JSON.parse(errorJson('NAME_INVALID', '😀'.repeat(10_000))) as { errors: { message: string }[] };
    expect(errors[0]?.message).toHaveLength(512);
  });
});
