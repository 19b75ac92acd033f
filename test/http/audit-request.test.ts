import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { Action } from '../../src/access/principal.ts';
import { AccessRefusal } from '../../src/http/access-refusal.ts';
import { auditRequest } from '../../src/http/audit-request.ts';
import type { AuditEntry } from '../../src/telemetry/audit-log.ts';

interface Answered {
  readonly method: string;
  readonly status: number;
  /** What the visitor had to be allowed. */
  readonly required?: Action;
  readonly error?: unknown;
  readonly refusedLogin?: string;
  readonly digest?: string;
  readonly origin?: string;
}

/** What of a request comes into the audit log, in short. */
function audited({ method, status, required, error, refusedLogin, digest, origin }: Answered): string[] {
  const entries: AuditEntry[] = [];
  const visitor = {
    principal: { name: 'ci', isAnonymous: false },
    may: () => true,
    isOpen: () => true,
    require: () => undefined,
    required: required && { action: required, repository: 'local/app' },
    refusedLogin,
  };
  auditRequest(
    { record: (entry) => void entries.push(entry) },
    {
      requestId: 'r-1',
      message: {
        method,
        headers: origin === undefined ? {} : { 'entrepot-origin': origin },
        socket: { remoteAddress: '192.0.2.1' },
      } as unknown as IncomingMessage,
      visitor,
      reference: 'v1',
      answer: { status, headers: digest === undefined ? {} : { 'Docker-Content-Digest': digest } },
      error,
    },
  );
  for (const { address, requestId, reference } of entries) {
    expect([address, requestId, reference]).toEqual(['192.0.2.1', 'r-1', 'v1']);
  }
  return entries.map((entry) =>
    [entry.who, entry.outcome, entry.action, entry.repository, entry.digest, entry.origin, entry.status]
      .filter((word) => word !== undefined)
      .join(' '),
  );
}

const CHALLENGED = new AccessRefusal('UNAUTHORIZED', 'authentication is required', { challenge: 'Bearer' });
const DENIED = new AccessRefusal('DENIED', 'no', { refused: { who: 'ci', action: 'push', repository: 'local/app' } });
const WRONG = new AccessRefusal('UNAUTHORIZED', 'no', { refused: { who: 'ci', action: 'login' } });

test.each<[string, Answered, string[]]>([
  ['a pull', { method: 'GET', status: 200, required: 'pull' }, []],
  ['a pull of nothing', { method: 'GET', status: 404, required: 'pull', error: new Error() }, []],
  ['a ping', { method: 'GET', status: 200 }, []],
  ['a client that is asked who it is', { method: 'GET', status: 401, error: CHALLENGED }, []],
  [
    'a manifest',
    { method: 'PUT', status: 201, required: 'push', digest: 'sha256:a' },
    ['ci allowed push local/app sha256:a 201'],
  ],
  ['a mounted blob', { method: 'POST', status: 201, required: 'push' }, ['ci allowed push local/app 201']],
  ['a replica', { method: 'PUT', status: 201, required: 'replicate' }, ['ci allowed replicate local/app 201']],
  [
    'a replica that says where it is from',
    { method: 'PUT', status: 201, required: 'replicate', origin: 'site=us-east; sequence=1; clock=1.0' },
    ['ci allowed replicate local/app us-east 201'],
  ],
  [
    'a replica that says it badly',
    { method: 'PUT', status: 400, required: 'replicate', origin: 'somewhere' },
    ['ci failed replicate local/app 400'],
  ],
  ['a removal', { method: 'DELETE', status: 202, required: 'delete' }, ['ci allowed delete local/app 202']],
  ['the begin of an upload', { method: 'POST', status: 202, required: 'push' }, []],
  ['a part of an upload', { method: 'PATCH', status: 202, required: 'push' }, []],
  ['how far an upload is', { method: 'GET', status: 204, required: 'push' }, []],
  ['the end of an upload without a result', { method: 'DELETE', status: 204, required: 'push' }, []],
  ['a bad manifest', { method: 'PUT', status: 400, required: 'push' }, ['ci failed push local/app 400']],
  ['a tag that never moves', { method: 'PUT', status: 403, required: 'push' }, ['ci denied push local/app 403']],
  ['a broken disk', { method: 'PATCH', status: 503, required: 'push' }, ['ci failed push local/app 503']],
  ['who may not', { method: 'PUT', status: 403, required: 'push', error: DENIED }, ['ci denied push local/app 403']],
  ['a wrong password', { method: 'GET', status: 401, error: WRONG }, ['ci denied login 401']],
  [
    'a wrong password that nobody asked for',
    { method: 'GET', status: 200, required: 'pull', refusedLogin: 'hub-user' },
    ['hub-user denied login 200'],
  ],
])('of %s the audit log gets what it must', (_, answered, entries) => {
  expect(audited(answered)).toEqual(entries);
});
