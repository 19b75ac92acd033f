import { get } from 'node:http';

/** How an answer arrived. */
export interface Download {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Bytes of the body that came. */
  readonly receivedBytes: number;
  /** From the request to the first byte of the body. */
  readonly firstByteMs: number;
  /** Came all that Content-Length promised? */
  readonly isComplete: boolean;
  /** Where the body first differs from what was expected; undefined while it does not. */
  readonly differsAt: number | undefined;
}

export interface DownloadOptions {
  readonly range?: string;
  /** What the body must be. */
  readonly expected?: Uint8Array;
  /** Leave after so many bytes. */
  readonly leaveAfterBytes?: number;
  /** Pause between two reads, in ms. */
  readonly pauseMs?: number;
}

/** Downloads with little cost, comparing as it goes: thirty of these fit into one process. */
export function download(url: string, options: DownloadOptions = {}): Promise<Download> {
  const { expected, leaveAfterBytes = Infinity, pauseMs } = options;
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const request = get(url, { agent: false, headers: options.range ? { range: options.range } : {} }, (response) => {
      isAnswered = true;
      let receivedBytes = 0;
      let firstByteMs = Infinity;
      let differsAt: number | undefined;
      response.on('data', (chunk: Buffer) => {
        if (receivedBytes === 0) firstByteMs = performance.now() - startedAt;
        if (expected && differsAt === undefined) {
          const isEqual = chunk.equals(expected.subarray(receivedBytes, receivedBytes + chunk.length));
          if (!isEqual) differsAt = receivedBytes;
        }
        receivedBytes += chunk.length;
        if (receivedBytes >= leaveAfterBytes) request.destroy();
        if (pauseMs !== undefined) {
          response.pause();
          setTimeout(() => response.resume(), pauseMs);
        }
      });
      response.on('error', () => undefined);
      response.on('close', () => {
        const { statusCode: status = 0, headers, complete: isComplete } = response;
        resolve({ status, headers, receivedBytes, firstByteMs, isComplete, differsAt });
      });
    });
    request.on('error', (error) => {
      if (!isAnswered) reject(error);
    });
  });
}
