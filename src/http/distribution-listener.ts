import type { IncomingMessage, ServerResponse } from 'node:http';
import { referenceText } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { AuditLog } from '../telemetry/audit-log.ts';
import type { RequestEvent, Telemetry } from '../telemetry/telemetry.ts';
import type { Answer } from './answer.ts';
import { auditRequest } from './audit-request.ts';
import { COMMON_HEADERS, type DistributionApi } from './distribution-api.ts';
import { parseDistributionPath, type DistributionRequest, type PathAddress } from './distribution-path.ts';
import type { Door, Visitor } from './door.ts';
import { answerForError, errorAnswer } from './error-answer.ts';
import type { RequestListener } from './listener.ts';
import { unreadBody } from './unread-body.ts';

interface Surroundings {
  readonly api: DistributionApi;
  readonly telemetry: Telemetry;
  readonly door: Door;
  readonly audit: AuditLog | undefined;
  readonly requestId: string;
}

/** Answers requests to `/v2/` on Node's own objects: the framework is for the pages beside it, not for this path. */
export function createDistributionListener(
  api: DistributionApi,
  telemetry: Telemetry,
  door: Door,
  audit?: AuditLog,
): RequestListener {
  let count = 0;
  const boot = `${Date.now().toString(36)}${doors.toString(36)}`;
  doors += 1;
  return (message, response) => {
    count += 1;
    const requestId = `${boot}-${count.toString(36)}`;
    void serve({ api, telemetry, door, audit, requestId }, message, response);
  };
}

/** Listeners so far: their requests have other ids. */
let doors = 0;

async function serve(surroundings: Surroundings, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const { api, telemetry, audit, requestId } = surroundings;
  const startedAt = performance.now();
  const request = parseDistributionPath(message.url ?? '/');
  const { answer, visitor, error } = await answerTo(surroundings, request, message);
  let bytes = 0;
  let failure = error;
  try {
    await write(answer, message, response, requestId, (count) => {
      bytes += count;
    });
  } catch (broken) {
    failure = broken;
    // The client learns from the broken connection that this is not all; it then resumes or goes elsewhere.
    response.destroy();
  }
  if (audit) auditRequest(audit, { requestId, message, visitor, reference: referenceOf(request), answer, error });
  telemetry.requestAnswered({
    requestId,
    method: message.method ?? '',
    route: request.kind,
    ...describeTarget(api, request),
    client: message.socket.remoteAddress,
    principal: visitor?.principal.name,
    status: answer.status,
    outcome: answer.outcome,
    bytes,
    seconds: (performance.now() - startedAt) / 1000,
    failure,
  });
}

/** The answer, whom it is for, and the error that it tells of. */
async function answerTo(
  { api, door }: Surroundings,
  request: DistributionRequest,
  message: IncomingMessage,
): Promise<{ answer: Answer; visitor: Visitor | undefined; error?: unknown }> {
  let visitor: Visitor | undefined;
  try {
    visitor = await door.admit(message, request);
    return { answer: await api.answer(request, message, visitor), visitor };
  } catch (error) {
    const bug = errorAnswer(500, 'UNKNOWN', 'the mirror failed; its log says why under this request id');
    return { answer: answerForError(error) ?? bug, visitor, error };
  }
}

async function write(
  answer: Answer,
  message: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { body } = answer;
  await using stream = body === undefined || body instanceof Uint8Array ? undefined : body;
  // A client that left before its answer was ready gets none; what was opened for it is closed.
  if (response.destroyed) return;
  const unread = unreadBody(message);
  response.writeHead(answer.status, {
    ...COMMON_HEADERS,
    ...answer.headers,
    ...(unread?.mustClose ? { Connection: 'close' } : {}),
    'X-Request-Id': requestId,
  });
  if (stream) {
    response.flushHeaders();
    await stream.write(response, onBytes);
    response.end();
    return;
  }
  const bytes = message.method === 'HEAD' || !(body instanceof Uint8Array) ? undefined : body;
  if (bytes) onBytes(bytes.length);
  if (!unread) {
    response.end(bytes);
    return;
  }
  // The answer is complete for the client, which may still be sending.
  if (bytes) response.write(bytes);
  else response.flushHeaders();
  await unread.drain();
  response.end();
}

/** Which upstream, repository and content a request was about, for its log line. */
function describeTarget(
  api: DistributionApi,
  request: DistributionRequest,
): Pick<RequestEvent, 'upstream' | 'repository' | 'reference'> {
  if (!('address' in request)) return { upstream: undefined, repository: undefined, reference: undefined };
  const repository = nameOf(api, request.address);
  return { upstream: repository?.registry, repository: repository?.name, reference: referenceOf(request) };
}

function nameOf(api: DistributionApi, address: PathAddress): Repository | undefined {
  try {
    return api.repositoryOf(address);
  } catch {
    return undefined;
  }
}

function referenceOf(request: DistributionRequest): string | undefined {
  if (request.kind === 'manifest') return referenceText(request.reference);
  return 'digest' in request ? request.digest : undefined;
}
