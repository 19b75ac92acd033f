import type { IncomingMessage, ServerResponse } from 'node:http';
import type { WorkOptions } from '../../registry/operations/operations.ts';
import { CodedError } from '../../util/coded-error.ts';
import type { Answer, StreamedBody } from '../answer.ts';
import { describeFailure } from './failure.ts';

/** Long work; its result is an object of JSON. */
export type Work = (options: WorkOptions<object>) => Promise<object>;

const NDJSON = 'application/x-ndjson';
/** Five lines a second are enough for a bar that moves. */
const PROGRESS_MS = 200;
/** Far less than the idle time of any proxy. */
const KEEP_ALIVE_MS = 5000;

/**
 * An answer of JSON lines that are written while the work goes on: `{"progress": ...}` again and again, `{}` when there is
 * nothing to tell, and last `{"result": ...}` or `{"error": {code, message}}`. The client's going aborts the work.
 */
export function streamAnswer(work: Work): Answer {
  return { status: 200, headers: { 'Content-Type': NDJSON }, body: new WorkStream(work) };
}

/** Does the client want to follow the work? */
export function acceptsStream(message: IncomingMessage): boolean {
  return message.headers.accept?.includes(NDJSON) ?? false;
}

class WorkStream implements StreamedBody {
  readonly #work: Work;
  #progress: object | undefined;
  #sentAt = performance.now();

  constructor(work: Work) {
    this.#work = work;
  }

  /** @throws what the work failed with, after the client was told of it */
  async write(response: ServerResponse, onBytes: (bytes: number) => void): Promise<void> {
    const left = new AbortController();
    const onClose = () => left.abort(new CodedError('CLIENT_LEFT', 'the client left before the end'));
    response.once('close', onClose);
    const send = (line: object) => {
      const text = `${JSON.stringify(line)}\n`;
      this.#sentAt = performance.now();
      onBytes(Buffer.byteLength(text));
      response.write(text);
    };
    const timer = setInterval(() => this.#tell(response, send), PROGRESS_MS);
    try {
      const result = await this.#work({
        signal: left.signal,
        onProgress: (progress) => {
          this.#progress = progress;
        },
      });
      left.signal.throwIfAborted();
      this.#tell(response, send);
      send({ result });
      response.end();
    } catch (error) {
      left.signal.throwIfAborted();
      const { code, message } = describeFailure(error);
      send({ error: { code, message } });
      response.end();
      throw error;
    } finally {
      clearInterval(timer);
      response.off('close', onClose);
    }
  }

  /** A client that does not read is told nothing: lines would pile up. */
  #tell(response: ServerResponse, send: (line: object) => void): void {
    if (response.writableNeedDrain) return;
    if (this.#progress !== undefined) send({ progress: this.#progress });
    else if (performance.now() - this.#sentAt >= KEEP_ALIVE_MS) send({});
    this.#progress = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
