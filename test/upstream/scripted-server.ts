import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Listener } from '../support/listener.ts';

/** A request as it came, for the tests that look at headers. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface ScriptedAnswer {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Uint8Array;
}

/** A server for what no proper registry does: each request is answered by a function, and kept. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly seen: SeenRequest[];
  answer: (request: SeenRequest) => ScriptedAnswer;
}

export async function scriptedServer(
  answer: ScriptedServer['answer'] = () => ({ status: 404 }),
): Promise<ScriptedServer> {
  const listener = await Listener.start((request, response) => void serve(request, response));
  const server: ScriptedServer = {
    url: listener.url,
    host: listener.host,
    seen: [],
    answer,
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
  return server;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = '', url = '' } = request;
    const seen = { method, url, headers, body: await text(request) };
    server.seen.push(seen);
    const { status = 200, headers: sent = {}, body = '' } = server.answer(seen);
    response.writeHead(status, sent).end(method === 'HEAD' ? undefined : body);
  }
}
