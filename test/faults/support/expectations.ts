import { expect } from 'vitest';
import { type DigestAlgorithm, digestOf } from '../../support/bytes.ts';
import type { ClientAnswer } from './ask.ts';

/** What an upstream's failure may be told as (design.md, promise 4). */
export const GATEWAY_ERRORS = [502, 503, 504];

/** An error as the distribution spec wants it ("Error Codes"), which doesn't ask for credentials. */
export function expectError(
  answer: ClientAnswer,
  statuses: number | readonly number[],
  code?: string | string[],
): void {
  const text = answer.body.toString().slice(0, 500);
  expect([statuses].flat(), `the status; the body was ${text}`).toContain(answer.status);
  expectErrorBody(answer, code);
  expect(answer.headers['www-authenticate']).toBeUndefined();
}

/** The error JSON alone. */
export function expectErrorBody(
  { headers, body }: Pick<ClientAnswer, 'headers' | 'body'>,
  code?: string | string[],
): void {
  expect(headers['content-type']).toMatch(/^application\/json(; *charset=utf-8)?$/i);
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message?: unknown }[] };
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) {
    expect(error.code).toMatch(/^[A-Z][A-Z0-9_]*$/);
    if (code !== undefined) expect([code].flat()).toContain(error.code);
  }
}

/** The whole content of a digest. */
export function expectContent(answer: ClientAnswer, digest: string): void {
  expect(answer.status, answer.body.toString('utf8', 0, 300)).toBe(200);
  expect(answer.whole, 'the body ends properly').toBe(true);
  const [algorithm] = digest.split(':');
  expect(digestOf(answer.body, algorithm as DigestAlgorithm)).toBe(digest);
  expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expect(answer.headers['content-encoding']).toBeUndefined();
}

/** Content that was there already, with the headers which tell that. */
export function expectCached(answer: ClientAnswer, digest: string): void {
  expectContent(answer, digest);
  expect(answer.headers['cache-status'], 'Cache-Status').toMatch(/^[^;]+;/);
  expect(answer.headers['age'], 'Age').toMatch(/^\d+$/);
}

/** Neither content nor a lie: an error, or a body that breaks off before its last byte. */
export function expectCleanFailure(answer: ClientAnswer, size: number): void {
  if (answer.status === 200) {
    expect(answer.whole, 'the connection breaks').toBe(false);
    expect(answer.body.length, 'the last bytes are held back').toBeLessThan(size);
    return;
  }
  expectError(answer, GATEWAY_ERRORS);
}
