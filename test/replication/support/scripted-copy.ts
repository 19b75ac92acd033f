import type { Copy, CopyRequest, CopyResult } from '../../../src/replication/copying/copy.ts';
import { digestFor } from './scripted-peer.ts';

type Script = (request: CopyRequest) => Promise<Partial<CopyResult> | void> | Partial<CopyResult> | void;

/** Of these the peer was asked nothing. */
const UNASKED: ReadonlySet<CopyResult['outcome']> = new Set(['vanished', 'incomplete']);

/** Copying as a test says. */
export class ScriptedCopy {
  /** References in the order in which they were begun, `-reference` of a deletion. */
  readonly begun: string[] = [];
  /** Those that came to a result. */
  readonly done: string[] = [];
  running = 0;
  mostRunning = 0;
  /** What copying one does: by default it is sent. */
  script: Script = () => undefined;

  readonly copy: Copy = async (request) => {
    const { reference, deleted } = request.job;
    const name = `${deleted === undefined ? '' : '-'}${reference}`;
    this.begun.push(name);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const result = { ...resultOf(deleted === undefined ? 'copied' : 'deleted'), ...(await this.script(request)) };
      if (!UNASKED.has(result.outcome)) await request.pace.take(1, request.signal);
      this.done.push(name);
      return result;
    } finally {
      this.running -= 1;
    }
  };

  /** From now on each waits until it is let go, or broken off. */
  hold(): { release: () => void } {
    const gate = Promise.withResolvers<void>();
    this.script = ({ signal }) => Promise.race([gate.promise, aborted(signal)]);
    return { release: gate.resolve };
  }
}

/** Rejects as a call does that is broken off. */
export function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}

function resultOf(outcome: CopyResult['outcome']): CopyResult {
  const counts = { sentBytes: 0, sentBlobs: 0, mountedBlobs: 0, presentBlobs: 0 };
  return { outcome, digest: digestFor('copied'), ...counts, isSparseRefused: false };
}
