import type { IncomingMessage, ServerResponse } from 'node:http';
import { interrupt, type PushFault } from './push-faults.ts';
import type { PushedRequest } from './push-options.ts';

/** A request that is being answered. */
export interface Call {
  readonly record: PushedRequest;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: PushFault | undefined;
  readonly repository: string;
  readonly query: URLSearchParams;
}

/** Answers, unless a fault takes the answer's place. */
export async function answer(
  { request, response, record, fault }: Call,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer = '',
): Promise<void> {
  if (fault && fault.kind !== 'stall') interrupt(fault, request, response);
  response.writeHead(status, headers).end(record.method === 'HEAD' ? undefined : body);
}

/** An error in the shape of the distribution-spec. */
export function refuse(call: Call, status: number, code: string, message: string): Promise<void> {
  const body = JSON.stringify({ errors: [{ code, message }] });
  return answer(call, status, { 'content-type': 'application/json' }, body);
}
