import { constants } from 'node:os';
import { say } from './output/show.ts';
import { StopSignals } from './stop-signals.ts';

/**
 * Runs long work that SIGINT and SIGTERM end early.
 * @param hint what is to be known then
 * @returns its exit code; after a signal a shell's, which is 130 for Ctrl-C
 */
export async function interruptible(hint: string, work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  using signals = new StopSignals();
  const stopping = new AbortController();
  let number = 0;
  void signals.first.then((name) => {
    number = constants.signals[name];
    return stopping.abort();
  });
  try {
    return await work(stopping.signal);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    say(`entrepot: interrupted; ${hint}`);
    return 128 + number;
  }
}
