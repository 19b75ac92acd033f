import { expect } from 'vitest';
import { type DigestAlgorithm, digestOf } from '../../support/bytes.ts';
import { type Answer, type Client, jsonOf, send } from './send.ts';
import { bytesOf, locationOf } from './push.ts';

/** distribution-spec, "Error Codes". */
const ERROR_CODES = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
] as const;
type ErrorCode = (typeof ERROR_CODES)[number];

/** One entry of an error's body. */
export interface ErrorEntry {
  readonly code: ErrorCode;
  readonly message?: string;
  readonly detail?: unknown;
}

/** An error as the spec wants it. @returns its entries */
export function expectError(
  answer: Answer,
  statuses: number | readonly number[],
  codes: ErrorCode | readonly ErrorCode[] = ERROR_CODES,
): readonly ErrorEntry[] {
  const text = answer.body.toString('utf8', 0, 500);
  expect([statuses].flat(), `the status; the body was ${text}`).toContain(answer.status);
  expect(answer.headers['content-type'], text).toMatch(/^application\/json(; *charset=utf-8)?$/i);
  const { errors } = jsonOf(answer) as { errors: ErrorEntry[] };
  expect(errors.length, text).toBeGreaterThan(0);
  for (const error of errors) expect([codes].flat(), text).toContain(error.code);
  for (const error of errors) expect(typeof (error.message ?? ''), text).toBe('string');
  if (answer.status !== 401) expect(answer.headers['www-authenticate']).toBeUndefined();
  return errors;
}

/** All of some content, with the headers that tell about it. */
export function expectContent(
  answer: Answer,
  digest: string,
  mediaType = 'application/octet-stream',
  bytes?: Uint8Array,
): void {
  expect(answer.status, answer.body.toString('utf8', 0, 500)).toBe(200);
  expect(answer.whole, 'the body ends properly').toBe(true);
  expect(digestOf(answer.body, algorithmOf(digest))).toBe(digest);
  if (bytes) expect(answer.body.equals(bytes)).toBe(true);
  expect(answer.headers['content-length']).toBe(String(answer.body.length));
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expect(answer.headers['content-type']).toBe(mediaType);
}

/** Content was taken: it can be pulled where the answer says, and by HEAD. */
export async function expectCreated(
  client: Client,
  answer: Answer,
  bytes: Uint8Array,
  { digest = digestOf(bytes), mediaType }: { digest?: string; mediaType?: string } = {},
): Promise<void> {
  const location = locationOf(answer, 201);
  expect(answer.headers['docker-content-digest']).toBe(digest);
  expectContent(await send(client, 'GET', location), digest, mediaType, bytes);
  const head = await send(client, 'HEAD', location);
  expect(head.status).toBe(200);
  expect(head.body.length).toBe(0);
  expect(head.headers['content-length']).toBe(String(bytes.length));
  expect(head.headers['docker-content-digest']).toBe(digest);
}

/** A blob is in the client's repository, byte by byte. */
export async function expectBlob(client: Client, bytes: Uint8Array, digest = digestOf(bytes)): Promise<void> {
  expectContent(await send(client, 'GET', `blobs/${digest}`), digest, undefined, bytes);
}

/** A manifest is there, byte by byte. @param reference default: its digest */
export async function expectManifest(
  client: Client,
  content: object | Uint8Array,
  mediaType: string,
  reference?: string,
): Promise<void> {
  const bytes = bytesOf(content);
  const digest = digestOf(bytes);
  expectContent(await send(client, 'GET', `manifests/${reference ?? digest}`), digest, mediaType, bytes);
}

/** Nothing has that name in the client's repository. */
export async function expectGone(client: Client, path: string): Promise<void> {
  const code = path.startsWith('manifests/') ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN';
  expectError(await send(client, 'GET', path), 404, [code, 'NAME_UNKNOWN']);
  expect((await send(client, 'HEAD', path)).status).toBe(404);
}

/** An upload session's state (end-13). @returns its location now */
export async function expectUpload(client: Client, location: string, sizeBytes: number): Promise<string> {
  const answer = await send(client, 'GET', location);
  expect(answer.status, answer.body.toString()).toBe(204);
  expect(answer.headers['range']).toBe(`0-${Math.max(0, sizeBytes - 1)}`);
  return locationOf(answer, 204);
}

/** There is no such session, for this client. */
export async function expectNoUpload(client: Client, location: string): Promise<void> {
  expectError(await send(client, 'GET', location), 404, 'BLOB_UPLOAD_UNKNOWN');
}

function algorithmOf(digest: string): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}
