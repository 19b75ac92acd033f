import type { Dispatcher } from 'undici';
import { throwIfGivenUp, untilGivenUp } from './caller-signal.ts';
import type { Exchange, UpstreamResponse } from './exchange.ts';
import { type ErrorPlace, translateError } from './translate-error.ts';

export interface NetworkOptions {
  readonly upstream: string;
  readonly userAgent: string;
}

type Body = Dispatcher.ResponseData['body'];

/** What an unread rest of a body may cost before a new connection is cheaper. */
const DISCARD_LIMIT_BYTES = 64 * 1024;

/** The innermost exchange: one request, one answer, redirects and all. Translates foreign errors. */
export function sendByNetwork(dispatcher: Dispatcher, { upstream, userAgent }: NetworkOptions): Exchange {
  return async (request) => {
    const { method, url, signal } = request;
    const place: ErrorPlace = { upstream, url, signal };
    throwIfGivenUp(upstream, signal);
    const sent = dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { ...request.headers, 'user-agent': userAgent, 'accept-encoding': 'identity' },
      body: request.body ?? null,
      signal: signal ?? null,
    });
    try {
      // undici looks at a signal only once it has a connection.
      const { statusCode, headers, body } = await untilGivenUp(upstream, sent, signal);
      return { status: statusCode, headers, url, ...bodyOf(body, place) };
    } catch (error) {
      sent.then(
        (late) => drop(late.body),
        () => {},
      );
      throw translateError(error, place);
    }
  };
}

function bodyOf(body: Body, place: ErrorPlace): Pick<UpstreamResponse, 'body' | 'discard' | 'drop'> {
  return {
    body: translated(body, place),
    discard: () => void body.dump({ limit: DISCARD_LIMIT_BYTES }).catch(() => {}),
    drop: () => drop(body),
  };
}

async function* translated(body: Body, place: ErrorPlace): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) yield chunk as Uint8Array;
  } catch (error) {
    throw translateError(error, place);
  }
}

function drop(body: Body): void {
  // A body that is destroyed before anyone reads it reports that as an error.
  body.on('error', () => {}).destroy();
}
