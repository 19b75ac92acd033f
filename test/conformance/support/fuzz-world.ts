import { sha256 } from '../../support/bytes.ts';
import { USERS } from '../../support/hosted.ts';
import { expectSound, isHonest } from './fuzz-answers.ts';
import type { Line } from './fuzz-lines.ts';
import type { FuzzRequest } from './fuzz-requests.ts';
import { type Answer, basic } from './send.ts';

/** Where requests with good credentials come from, and the others: wrong passwords are counted by address. */
const [HONEST, DISHONEST] = ['127.0.0.1', '127.0.2.1'];
const KEPT = 41;

type Known = 'digest' | 'tag' | 'session' | 'upload';

/** An upload session that was opened. */
export interface OpenedUpload {
  readonly location: string;
  readonly user: string;
}

/** A server that gets all kinds of requests. It remembers what they made, for those that follow. */
export class FuzzWorld {
  /** How often each status came. */
  readonly statuses = new Map<number, number>();
  /** Every session that was ever opened, by location. */
  readonly uploads = new Map<string, OpenedUpload>();
  readonly #lines: Readonly<Record<FuzzRequest['door'], Line>>;
  readonly #latest: Record<Known, string[]> = { digest: [], tag: ['v1'], session: [], upload: [] };

  constructor(lines: Readonly<Record<FuzzRequest['door'], Line>>) {
    this.#lines = lines;
  }

  /** Sends it and looks at the answer. @throws whatever is wrong with it */
  async send(request: FuzzRequest): Promise<void> {
    const body = typeof request.body === 'string' ? this.#complete(request.body) : request.body;
    const path = this.#complete(request.path).replaceAll('{self}', sha256(Buffer.from(body ?? '')));
    const answer = await this.#exchange(request, path, body);
    this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1);
    expectSound(request, answer, path);
    this.#learn(request, path, answer);
  }

  async #exchange(request: FuzzRequest, path: string, body: string | Uint8Array | undefined): Promise<Answer> {
    const { door, method } = request;
    // Node sends a body of GET and its like without a length, which would make the next request of it.
    const length: Record<string, string> = body === undefined ? {} : { 'Content-Length': `${Buffer.byteLength(body)}` };
    const headers = { ...request.headers, ...length };
    const from = isHonest(request) ? HONEST : DISHONEST;
    try {
      return await this.#lines[door].send({ method, path, headers, body, from });
    } catch (cause) {
      throw new Error(`${method} ${path} at the ${door}'s door: ${(cause as Error).message}`, { cause });
    }
  }

  /** Fills in what is known by now. */
  #complete(text: string): string {
    return text.replaceAll(/\{(digest|tag|session|upload) (\d+)\}/g, (_, kind: Known, n: string) => {
      const list = this.#latest[kind];
      return list[Number(n) % Math.max(1, list.length)] ?? (kind === 'upload' ? '/v2/local/fuzz/blobs/uploads/x' : 'x');
    });
  }

  #learn({ method, headers: asked }: FuzzRequest, path: string, { status, headers }: Answer): void {
    const { location, 'docker-content-digest': digest } = headers;
    if (method === 'PUT' && status === 201 && typeof digest === 'string') {
      keep(this.#latest.digest, digest);
      const tag = /\/manifests\/([\w.-]+)$/.exec(path)?.[1];
      if (tag !== undefined) keep(this.#latest.tag, tag);
    }
    if (method !== 'POST' || status !== 202 || location === undefined) return;
    keep(this.#latest.upload, location);
    keep(this.#latest.session, location.split('/').at(-1)?.split('?')[0] ?? '');
    const user = USERS.find((name) => basic(name) === asked['Authorization']) ?? '';
    this.uploads.set(location, { location, user });
  }
}

function keep(list: string[], value: string): void {
  list.unshift(value);
  list.length = Math.min(list.length, KEPT);
}
