import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

/** A request that the origin got, and how far its answer went. */
export interface RecordedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** 0 as long as there is no answer. */
  status: number;
  /** Bytes of the answer's body that were handed to the socket. */
  bodyBytes: number;
  /** The digest of the blob which the body is a part of. */
  blob?: string;
}

/** One request under way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RecordedRequest;
  readonly query: URLSearchParams;
}

/** An answer in full; the body of a HEAD's answer is left out when it is sent. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** The digest of which `body` is a part, for the counts. */
  blob?: string;
}

/** Takes up a request. */
export function openExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const url = request.url ?? '/';
  const { pathname, searchParams } = new URL(url, 'http://origin');
  const record: RecordedRequest = {
    method: request.method ?? 'GET',
    path: pathname,
    url,
    headers: request.headers,
    at: Date.now(),
    status: 0,
    bodyBytes: 0,
  };
  response.once('close', () => {
    if (response.headersSent) record.status = response.statusCode;
  });
  return { request, response, record, query: searchParams };
}

/** An error as the distribution spec wants it ("Error Codes"). */
export function errorAnswer(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] }),
  };
}

/** A JSON document. */
export function jsonAnswer(value: unknown, headers: Record<string, string> = {}): Answer {
  return { status: 200, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}
