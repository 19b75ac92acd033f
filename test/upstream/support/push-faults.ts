import type { IncomingMessage, ServerResponse } from 'node:http';

/** What goes wrong with a request. `afterBytes` counts those of its body, which a registry keeps as far as they came. */
export type PushFault =
  /** Answers; undefined `afterBytes`: when the body has come, otherwise earlier, and reads no more of it. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly afterBytes?: number;
    }
  /** Breaks the connection with RST. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** Falls silent and reads no more; 0: at once. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Does what it was asked for, and breaks the connection in place of the answer. */
  | { readonly kind: 'lose' };

/** Requests of a method (default any) whose path and query match. */
export interface PushMatch {
  readonly method?: string;
  readonly path?: RegExp;
}

interface Scripted {
  readonly match: PushMatch;
  readonly fault: PushFault;
  left: number;
}

/** The faults that are still to happen. */
export class PushFaults {
  readonly #all: Scripted[] = [];

  add(match: PushMatch, fault: PushFault, times: number): void {
    this.#all.push({ match, fault, left: times });
  }

  /** What befalls this request. */
  take(method: string, url: string): PushFault | undefined {
    const found = this.#all.find(
      ({ match, left }) => left > 0 && (match.method ?? method) === method && (match.path?.test(url) ?? true),
    );
    if (found) found.left -= 1;
    return found?.fault;
  }
}

/** The connection, or the answer, went another way: nobody is to answer any more. */
export class Interrupted extends Error {}

/** Reads a body as far as the fault lets it. @throws Interrupted when that was the end of it */
export async function readBody(
  request: IncomingMessage,
  {
    fault,
    response,
    onChunk,
  }: { fault: PushFault | undefined; response: ServerResponse; onChunk: (bytes: Buffer) => void },
): Promise<void> {
  const limit = fault && 'afterBytes' in fault ? fault.afterBytes : undefined;
  let leftBytes = limit ?? Number.POSITIVE_INFINITY;
  if (leftBytes > 0) {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      const taken = chunk.subarray(0, leftBytes);
      leftBytes -= taken.length;
      onChunk(taken);
      if (leftBytes === 0) break;
    }
  }
  if (fault && limit !== undefined) interrupt(fault, request, response);
}

/** Does what the fault says, in place of what was asked for. */
export function interrupt(fault: PushFault, request: IncomingMessage, response: ServerResponse): never {
  if (fault.kind === 'answer') {
    response.writeHead(fault.status, { ...fault.headers, connection: 'close' }).end(fault.body ?? '');
  } else if (fault.kind !== 'stall') request.socket.resetAndDestroy();
  throw new Interrupted();
}
