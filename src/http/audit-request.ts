import type { IncomingMessage } from 'node:http';
import type { AuditEntry, AuditLog } from '../telemetry/audit-log.ts';
import { AccessRefusal } from './access-refusal.ts';
import type { Answer } from './answer.ts';
import type { Visitor } from './door.ts';
import { originSiteOf } from './replication-origin.ts';

/** A request that was answered. */
export interface AuditedRequest {
  readonly requestId: string;
  readonly message: IncomingMessage;
  /** Undefined: the door let nobody in. */
  readonly visitor: Visitor | undefined;
  /** The tag or digest that was asked for. */
  readonly reference: string | undefined;
  readonly answer: Answer;
  /** What the answer tells of. */
  readonly error: unknown;
}

/**
 * Records what the audit log has to say of a request, once it is answered: nothing of pulls that succeed, of the steps of
 * an upload before its last, and of clients that were merely asked to say who they are.
 */
export function auditRequest(audit: AuditLog, request: AuditedRequest): void {
  const { requestId, message, visitor, reference, answer, error } = request;
  const { status, headers } = answer;
  const digest = headers['Docker-Content-Digest'];
  const common = {
    ...(reference === undefined ? {} : { reference }),
    ...(typeof digest === 'string' ? { digest } : {}),
    address: message.socket.remoteAddress,
    requestId,
    status,
  };
  if (visitor?.refusedLogin !== undefined) {
    audit.record({ ...common, who: visitor.refusedLogin, action: 'login', outcome: 'denied' });
  }
  if (error instanceof AccessRefusal) {
    if (error.refused) audit.record({ ...common, ...error.refused, outcome: 'denied' });
    return;
  }
  const required = visitor?.required;
  if (!visitor || !required || required.action === 'pull' || isStepOf(message, status)) return;
  const origin = required.action === 'replicate' ? originSiteOf(message) : undefined;
  const who = visitor.principal.name;
  audit.record({ ...common, who, ...required, ...(origin !== undefined && { origin }), outcome: outcomeOf(status) });
}

/** A write that has changed no repository yet: an upload that was begun, continued or cancelled. */
function isStepOf({ method }: IncomingMessage, status: number): boolean {
  return status < 400 && status !== 201 && !(method === 'DELETE' && status === 202);
}

function outcomeOf(status: number): AuditEntry['outcome'] {
  if (status < 400) return 'allowed';
  return status === 403 ? 'denied' : 'failed';
}
