import type { Dispatcher } from 'undici';
import { givenUp, throwIfGivenUp } from './caller-signal.ts';
import type { Exchange, UpstreamResponse } from './exchange.ts';
import { ResponseBody } from './response-body.ts';
import { type ErrorPlace, translateError } from './translate-error.ts';
import { UpstreamError } from './upstream-error.ts';

export interface NetworkOptions {
  readonly upstream: string;
  readonly userAgent: string;
}

/** The innermost exchange: one request, one answer, redirects and all. Translates foreign errors. */
export function sendByNetwork(dispatcher: Dispatcher, { upstream, userAgent }: NetworkOptions): Exchange {
  return async ({ body, headers, method, signal, url }) => {
    throwIfGivenUp(upstream, signal);
    const options: Dispatcher.DispatchOptions = {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { ...headers, 'user-agent': userAgent, 'accept-encoding': 'identity' },
      body: body ?? null,
    };
    return receive(dispatcher, options, { upstream, url, signal });
  };
}

/** Sends a request; the answer's headers, its body still on its way. When the signal fires all of it ends at once. */
function receive(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  place: ErrorPlace,
): Promise<UpstreamResponse> {
  const { signal, upstream, url } = place;
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>();
  let control: Dispatcher.DispatchController | undefined;
  let body: ResponseBody | undefined;

  const onAbort = () => {
    const error = signal && givenUp(upstream, signal);
    if (!error) return;
    reject(error);
    if (body) body.drop(error);
    // Without a control there is no connection yet, and with none the request is not sent.
    else control?.abort(error);
  };
  const finish = () => signal?.removeEventListener('abort', onAbort);
  signal?.addEventListener('abort', onAbort, { once: true });

  dispatcher.dispatch(options, {
    onRequestStart(controller) {
      control = controller;
      if (signal?.aborted) controller.abort(givenUp(upstream, signal));
    },
    onResponseStart(controller, status, headers) {
      if (status < 200) return;
      const received = new ResponseBody(
        controller,
        new UpstreamError('UNREACHABLE', upstream, 'the answer was dropped'),
      );
      body = received;
      resolve({ status, headers, url, body, discard: () => received.discard(), drop: () => received.drop() });
    },
    onResponseData(_, chunk) {
      body?.push(chunk);
    },
    onResponseEnd() {
      finish();
      body?.end();
    },
    onResponseError(_, cause) {
      finish();
      const error = translateError(cause, place);
      body?.fail(error);
      reject(error);
    },
  });
  return promise;
}
