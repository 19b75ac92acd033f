import { createInterface } from 'node:readline/promises';

/** Is there someone at a terminal who can answer? */
export function canConfirm(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks on the terminal; only `y` and `yes` are a yes. The end of the input and Ctrl-C are a no. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const { promise: closed, resolve } = Promise.withResolvers<string>();
  terminal.once('close', () => resolve(''));
  try {
    const asked = terminal.question(`${question} [y/N] `).catch(() => '');
    return /^y(es)?$/i.test((await Promise.race([asked, closed])).trim());
  } finally {
    terminal.close();
  }
}
