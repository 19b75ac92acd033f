import { expect } from 'vitest';
import { type DigestAlgorithm, digestOf } from '../../support/bytes.ts';
import { USERS } from '../../support/hosted.ts';
import type { FuzzRequest } from './fuzz-requests.ts';
import { type Answer, basic, jsonOf } from './send.ts';

const GOOD_CREDENTIALS: ReadonlySet<string | undefined> = new Set([undefined, ...USERS.map((user) => basic(user))]);

/** Are its credentials none, or right? */
export function isHonest({ headers }: FuzzRequest): boolean {
  return GOOD_CREDENTIALS.has(headers['Authorization']);
}

/** No failure of the server's; Node itself says 501 and 505 to what it does not know of HTTP. */
export function expectNoFailure(statuses: readonly number[], text = ''): void {
  expect(
    statuses.filter((status) => status >= 500 && status !== 501 && status !== 505),
    text,
  ).toEqual([]);
}

/** What is true of every answer. */
export function expectSound(request: FuzzRequest, answer: Answer, path: string): void {
  const { door, method } = request;
  const { status, headers, body, whole } = answer;
  const text = `${method} ${path} was answered with ${status}: ${body.toString('latin1', 0, 300)}`;
  expectNoFailure([status], text);
  expect(whole, text).toBe(true);
  if (isHonest(request)) expect(status, text).not.toBe(429);
  if (door === 'mirror') expect(status, text).not.toBe(401);
  // RFC 9110 15.5.6.
  if (status === 405) expect(headers['allow'], text).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
  expect(headers['www-authenticate'] !== undefined, text).toBe(status === 401);
  if (method === 'HEAD' || status === 204 || status === 304) expect(body.length, text).toBe(0);
  else if (headers['content-length'] !== undefined) expect(headers['content-length'], text).toBe(`${body.length}`);
  expectTrueDigest(request, answer, text);
  // The token service speaks OAuth2 (RFC 6749 5.2).
  if (status >= 400 && method !== 'HEAD' && !path.startsWith('/token')) expectErrorForm(answer, text);
}

function expectTrueDigest({ method }: FuzzRequest, { status, headers, body }: Answer, text: string): void {
  const digest = headers['docker-content-digest'];
  if (method !== 'GET' || status !== 200 || typeof digest !== 'string') return;
  expect(digestOf(body, digest.split(':')[0] as DigestAlgorithm), text).toBe(digest);
}

/** Whatever is JSON has the form of the spec ("Error Codes"). */
function expectErrorForm(answer: Answer, text: string): void {
  if (answer.headers['content-type']?.startsWith('application/json') !== true) return;
  const { errors } = jsonOf(answer) as { errors: { code: string }[] };
  expect(errors.length, text).toBeGreaterThan(0);
  for (const { code } of errors) expect(code, text).toMatch(/^[A-Z_]+$/);
}
