import type { IncomingMessage, ServerResponse } from 'node:http';
import { referenceText } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { RequestEvent, Telemetry } from '../telemetry/telemetry.ts';
import type { Answer } from './answer.ts';
import { COMMON_HEADERS, type DistributionApi } from './distribution-api.ts';
import { parseDistributionPath, type DistributionRequest, type PathAddress } from './distribution-path.ts';
import { answerForError, errorAnswer } from './error-answer.ts';

/** Answers requests to `/v2/` on Node's own objects: the framework is for the pages beside it, not for this path. */
export function createDistributionListener(
  api: DistributionApi,
  telemetry: Telemetry,
): (message: IncomingMessage, response: ServerResponse) => void {
  let count = 0;
  const boot = Date.now().toString(36);
  return (message, response) => {
    count += 1;
    void serve(api, telemetry, message, response, `${boot}-${count.toString(36)}`);
  };
}

async function serve(
  api: DistributionApi,
  telemetry: Telemetry,
  message: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const startedAt = performance.now();
  const request = parseDistributionPath(message.url ?? '/');
  const { answer, error } = await answerTo(api, request, message);
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
  telemetry.requestAnswered({
    requestId,
    method: message.method ?? '',
    route: request.kind,
    ...describeTarget(api, request),
    client: message.socket.remoteAddress,
    status: answer.status,
    outcome: answer.outcome,
    bytes,
    seconds: (performance.now() - startedAt) / 1000,
    failure,
  });
}

/** The answer, and the error that it tells of. */
async function answerTo(
  api: DistributionApi,
  request: DistributionRequest,
  message: IncomingMessage,
): Promise<{ answer: Answer; error?: unknown }> {
  try {
    return { answer: await api.answer(request, message) };
  } catch (error) {
    const bug = errorAnswer(500, 'UNKNOWN', 'the mirror failed; its log says why under this request id');
    return { answer: answerForError(error) ?? bug, error };
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
  response.writeHead(answer.status, { ...COMMON_HEADERS, ...answer.headers, 'X-Request-Id': requestId });
  if (stream) {
    response.flushHeaders();
    await stream.write(response, onBytes);
    response.end();
    return;
  }
  const bytes = message.method === 'HEAD' || !(body instanceof Uint8Array) ? undefined : body;
  if (bytes) onBytes(bytes.length);
  response.end(bytes);
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
