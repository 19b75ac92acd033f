import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as yieldToEvents, setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Exchange } from './origin-exchange.ts';
import type { AnswerFault, BodyFault, FaultScript } from './origin-faults.ts';

const CHUNK_BYTES = 64 * 1024;

/** Sends an answer, with what the script has in store for its body. */
export async function sendAnswer(exchange: Exchange, answer: Answer, faults: FaultScript): Promise<void> {
  const { record, response } = exchange;
  const mayFail = answer.status >= 200 && answer.status < 300;
  const fault = mayFail ? faults.takeBodyFault(record) : undefined;
  const body = spoil(asBytes(answer.body), fault);
  response.statusCode = answer.status;
  record.status = answer.status;
  if (answer.blob !== undefined) record.blob = answer.blob;
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  if (answer.status !== 304 && fault?.kind !== 'noLength') response.setHeader('Content-Length', body.length);
  if (record.method === 'HEAD' || answer.status === 304) {
    response.end();
    return;
  }
  if (fault !== undefined) response.flushHeaders();
  const bytesPerSecond = mayFail ? faults.takeBytesPerSecond(record) : Number.POSITIVE_INFINITY;
  const breakAt = breakingPoint(fault);
  await writeBody(exchange, body.subarray(0, breakAt), bytesPerSecond);
  await finish(response, breakAt < body.length ? fault : undefined);
}

/** Lets a fault take the place of the answer. */
export async function sendFault(exchange: Exchange, fault: AnswerFault, faults: FaultScript): Promise<void> {
  const { request, response } = exchange;
  switch (fault.kind) {
    case 'status':
      await sendAnswer(exchange, fault, faults);
      return;
    case 'html':
      await sendAnswer(exchange, { status: 200, headers: { 'Content-Type': 'text/html' }, body: SIGN_IN_PAGE }, faults);
      return;
    case 'handler':
      await fault.handle(request, response);
      return;
    case 'reset':
      request.socket.resetAndDestroy();
      return;
    case 'stall':
      await closed(response);
      return;
    default:
      fault satisfies never;
  }
}

const SIGN_IN_PAGE = '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n';

function asBytes(body: Uint8Array | string | undefined): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.from(body ?? '');
}

function spoil(body: Uint8Array, fault: BodyFault | undefined): Uint8Array {
  if (fault?.kind === 'wrongLength') {
    const other = Buffer.alloc(fault.length);
    other.set(body.subarray(0, fault.length));
    return other;
  }
  if (fault?.kind === 'corrupt' && body.length > 0) {
    const copy = Buffer.from(body);
    const at = Math.min(fault.at ?? copy.length >> 1, copy.length - 1);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  }
  return body;
}

function breakingPoint(fault: BodyFault | undefined): number {
  if (fault?.kind === 'reset' || fault?.kind === 'truncate' || fault?.kind === 'stall') return fault.afterBytes ?? 0;
  return Number.POSITIVE_INFINITY;
}

/** Chunk by chunk, waiting for the client each time, so that what is counted is close to what a client took. */
async function writeBody(exchange: Exchange, body: Uint8Array, bytesPerSecond: number): Promise<void> {
  const { response, record } = exchange;
  const chunkBytes = Math.max(1, Math.min(CHUNK_BYTES, Math.ceil(bytesPerSecond / 50)));
  const start = performance.now();
  for (let offset = 0; offset < body.length && !response.destroyed; offset += chunkBytes) {
    const chunk = body.subarray(offset, offset + chunkBytes);
    record.bodyBytes += chunk.length;
    if (!response.write(chunk)) await drained(response);
    await yieldToEvents();
    const aheadMs = ((offset + chunk.length) / bytesPerSecond) * 1000 - (performance.now() - start);
    if (aheadMs > 1) await sleep(aheadMs);
  }
}

async function finish(response: ServerResponse, fault: BodyFault | undefined): Promise<void> {
  if (response.destroyed) return;
  if (fault?.kind === 'reset') {
    // RST throws away what the peer has not got yet: let the bytes arrive first.
    await sleep(120);
    response.socket?.resetAndDestroy();
  } else if (fault?.kind === 'truncate') {
    response.socket?.end();
  } else if (fault?.kind === 'stall') {
    await closed(response);
  } else {
    response.end();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}

async function closed(response: ServerResponse): Promise<void> {
  if (!response.destroyed) await once(response, 'close');
}
