import type { ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, Hono } from 'hono';
import type { Operations } from '../../registry/operations/operations.ts';
import type { ReplicationOperations } from '../../replication/replication-operations.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Secret } from '../../util/secret.ts';
import { CodedError } from '../../util/coded-error.ts';
import type { Answer, StreamedBody } from '../answer.ts';
import { type Admission, admissionBy } from './admission.ts';
import type { Endpoint, Endpoints } from './endpoint.ts';
import { endpointsOf } from './endpoints.ts';
import { answerToFailure, describeFailure } from './failure.ts';
import { Refusal } from './refusal.ts';

/** What the admin API works with. */
export interface AdminApiOptions {
  readonly operations: Operations;
  readonly replication: ReplicationOperations;
  /** What every request has to show; without one only programs of this machine are answered. */
  readonly token: Secret | undefined;
  /** Where copies are made before they are sent; made when it is needed. */
  readonly temporaryFolder: string;
  readonly telemetry: Telemetry;
}

type AdminContext = Context<{ Bindings: HttpBindings }>;

const BASE = '/api/v1';
/** Nothing of it may be kept by a cache or guessed to be a page. */
const COMMON_HEADERS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const;
const MAX_LOGGED_PATH = 256;

/** Puts the operators' API under `/api/`. */
export function addAdminApi(app: Hono<{ Bindings: HttpBindings }>, options: AdminApiOptions): void {
  const admission = admissionBy(options.token);
  const serve = (endpoint: Endpoint) => (context: AdminContext) => serveAdmin(context, endpoint, admission, options);
  const endpoints = endpointsOf(options.operations, options.replication, options.temporaryFolder);
  for (const [path, methods] of Object.entries(endpoints)) {
    app.all(`${BASE}${path}`, serve(byMethod(methods)));
  }
  const nothing: Endpoint = () => Promise.reject(new Refusal(404, 'NOT_FOUND', 'the API has nothing at this path'));
  app.all('/api', serve(nothing));
  app.all('/api/*', serve(nothing));
}

function byMethod(methods: Endpoints[string]): Endpoint {
  const allowed = Object.keys(methods).join(', ');
  return async (request) => {
    const { method = '' } = request.message;
    const endpoint = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (endpoint) return await endpoint(request);
    throw new Refusal(405, 'UNSUPPORTED', `${method} is not possible here, but ${allowed}`, { Allow: allowed });
  };
}

/** Answers one request, and counts and logs it once. */
async function serveAdmin(
  context: AdminContext,
  endpoint: Endpoint,
  admission: Admission,
  { telemetry }: AdminApiOptions,
): Promise<Response> {
  const startedAt = performance.now();
  const { incoming: message, outgoing } = context.env;
  // Of a connection that has ended it is no longer known.
  const client = message.socket.remoteAddress;
  const { answer, failure } = await answerTo(context, endpoint, admission);
  const { body } = answer;
  const stream = body === undefined || body instanceof Uint8Array ? undefined : body;
  const broken = stream && (await writeStream(answer, stream, outgoing));
  telemetry.adminAnswered({
    method: message.method ?? '',
    path: context.req.path.slice(0, MAX_LOGGED_PATH),
    client,
    status: broken === undefined ? answer.status : describeFailure(broken.error).status,
    seconds: (performance.now() - startedAt) / 1000,
    failure: broken === undefined ? failure : broken.error,
  });
  return stream ? RESPONSE_ALREADY_SENT : toResponse(answer);
}

/** The answer, and the error that it tells of. */
async function answerTo(
  context: AdminContext,
  endpoint: Endpoint,
  admission: Admission,
): Promise<{ answer: Answer; failure?: unknown }> {
  const { incoming: message } = context.env;
  const { socket } = message;
  const idleMs = socket.timeout ?? 0;
  try {
    const refusal = admission(message);
    if (refusal) throw refusal;
    // Nothing moves on the connection while an operation runs, however long that takes.
    socket.setTimeout(0);
    const query = new URL(context.req.url).searchParams;
    return { answer: await endpoint({ message, query, name: context.req.param('name') ?? '' }) };
  } catch (error) {
    return { answer: answerToFailure(error), failure: error };
  } finally {
    socket.setTimeout(idleMs);
  }
}

/** Writes an answer to its end. @returns what it ended with too early, if it did */
async function writeStream(
  { status, headers }: Answer,
  body: StreamedBody,
  response: ServerResponse,
): Promise<{ readonly error: unknown } | undefined> {
  try {
    await using stream = body;
    // A client that left before its answer was ready gets none; what was opened for it is closed.
    if (response.destroyed) throw new CodedError('CLIENT_LEFT', 'the client left before its answer was ready');
    response.writeHead(status, { ...COMMON_HEADERS, ...headers });
    response.flushHeaders();
    await stream.write(response, () => undefined);
    return undefined;
  } catch (error) {
    // The client learns from the broken connection that this is not all.
    if (!response.writableEnded) response.destroy();
    return { error };
  }
}

function toResponse({ status, headers, body }: Answer): Response {
  const all = new Headers(COMMON_HEADERS);
  for (const [name, value] of Object.entries(headers)) all.set(name, String(value));
  return new Response((body as Uint8Array<ArrayBuffer> | undefined) ?? null, { status, headers: all });
}
