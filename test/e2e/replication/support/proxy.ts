import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Listener } from '../../../support/listener.ts';

/** What is wrong with a peer. */
export type Trouble =
  | 'none'
  /** Nobody listens. */
  | 'away'
  /** Requests are taken, and nothing is answered. */
  | 'hangs'
  /** Little by little is all that it takes. */
  | 'slow'
  /** Every answer has that status. */
  | 429
  | 500
  | 401;

const SLOW_PIECE_BYTES = 4 * 1024;
const SLOW_PAUSE_MS = 100;
const HEADERS: Readonly<Record<number, Record<string, string>>> = {
  429: { 'Retry-After': '2' },
  401: { 'WWW-Authenticate': 'Basic realm="somebody else"' },
};

/** A reverse proxy in front of a site, which makes trouble when it is told to. */
export class Proxy implements AsyncDisposable {
  readonly #to: URL;
  #listener: Listener | undefined;
  #trouble: Trouble = 'none';
  /** Requests that came while there was trouble. */
  troubled = 0;

  private constructor(to: URL) {
    this.#to = to;
  }

  /** @param to `host:port` */
  static async start(to: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(`http://${to}`));
    proxy.#listener = await Listener.start((request, response) => void proxy.#serve(request, response));
    return proxy;
  }

  get host(): string {
    return this.#listener?.host ?? '';
  }

  /** From now on. What hangs stays so, until whoever waits gives up. */
  async set(trouble: Trouble): Promise<void> {
    this.#trouble = trouble;
    if (trouble === 'away') await this.#listener?.stop();
    else await this.#listener?.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const trouble = this.#trouble;
    if (trouble !== 'none') this.troubled += 1;
    if (trouble === 'hangs') return;
    if (typeof trouble === 'number') {
      request.resume();
      response.writeHead(trouble, HEADERS[trouble]).end();
      return;
    }
    const { hostname, port } = this.#to;
    const { method, url: path, headers } = request;
    const onward = ask({ hostname, port, method, path, headers, agent: false });
    const breakOff = () => {
      onward.destroy();
      response.destroy();
    };
    request.on('error', breakOff);
    response.on('close', () => void onward.destroy());
    onward.on('error', breakOff);
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    });
    await this.#pass(request, onward).catch(breakOff);
  }

  async #pass(request: IncomingMessage, onward: Writable): Promise<void> {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += SLOW_PIECE_BYTES) {
        if (onward.destroyed) return;
        onward.write(chunk.subarray(at, at + SLOW_PIECE_BYTES));
        if (this.#trouble === 'slow') await sleep(SLOW_PAUSE_MS);
      }
      // Bodies are small here: nothing piles up that would matter.
    }
    onward.end();
  }
}
