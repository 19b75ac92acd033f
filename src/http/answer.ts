import type { ServerResponse } from 'node:http';
import type { Outcome } from '../registry/outcome.ts';

/** What a request is answered with; written by one place, so that logs and metrics see all of it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Nothing, bytes, or something that writes itself. */
  readonly body?: Uint8Array | StreamedBody;
  readonly outcome?: Outcome;
}

/** A body that is written piece by piece. */
export interface StreamedBody extends AsyncDisposable {
  /**
   * Writes the body. Headers are out already.
   * @param onBytes is told how much was written
   * @throws when it cannot go on: the connection is then destroyed, so that the client knows
   */
  write(response: ServerResponse, onBytes: (bytes: number) => void): Promise<void>;
}
