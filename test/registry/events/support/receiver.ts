import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Listener } from '../../../support/listener.ts';

/** What a receiver was sent. */
export interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Ids of the events in it. */
  readonly ids: readonly string[];
  readonly repository: string;
  readonly atMs: number;
}

/** What a receiver does: answers with a status, breaks the connection, or never answers. */
export type Reaction =
  | number
  | { readonly status: number; readonly headers: Record<string, string> }
  | 'reset'
  | 'hang';

/** A receiver of events that does as it is told. */
export interface Receiver extends AsyncDisposable {
  readonly url: URL;
  readonly listener: Listener;
  /** All that it was sent, in order. */
  readonly received: Received[];
  /** Of these, what it answered with 2xx. */
  readonly accepted: Received[];
  react: (received: Received) => Reaction | Promise<Reaction>;
  /** Resolves when that is true; it is asked at once and after each request. */
  until(condition: () => boolean): Promise<void>;
}

export async function startReceiver(react: Receiver['react'] = () => 204): Promise<Receiver> {
  const waiting = new Set<() => void>();
  const listener = await Listener.start((request, response) => void serve(request, response));
  const receiver: Receiver = {
    url: new URL(`${listener.url}/events`),
    listener,
    received: [],
    accepted: [],
    react,
    until: async (condition) => {
      while (!condition()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.add(resolve);
        await promise;
      }
    },
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
  return receiver;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received = readEvent(request.headers, await text(request));
    receiver.received.push(received);
    const reaction = await receiver.react(received);
    if (typeof reaction === 'number' && reaction < 300) receiver.accepted.push(received);
    if (reaction === 'reset') request.socket.destroy();
    else if (typeof reaction === 'number') response.writeHead(reaction).end();
    else if (reaction !== 'hang') response.writeHead(reaction.status, reaction.headers).end();
    for (const resolve of waiting) resolve();
    waiting.clear();
  }
}

/** Reads a CloudEvent or an envelope of distribution's notifications. */
function readEvent(headers: IncomingMessage['headers'], body: string): Received {
  const parsed = JSON.parse(body) as {
    id: string;
    data?: { repository: string };
    events?: { id: string; target: { repository: string } }[];
  };
  const ids = parsed.events?.map(({ id }) => id) ?? [parsed.id];
  const repository = parsed.data?.repository ?? parsed.events?.[0]?.target.repository ?? '';
  return { headers, body, ids, repository, atMs: performance.now() };
}
