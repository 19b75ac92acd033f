import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { WrongUse } from './wrong-use.ts';

/** Asks on the terminal for something that is not shown. @throws WrongUse when the input ends, or at Ctrl-C */
export async function askSecret(question: string): Promise<string> {
  // readline takes the terminal's echo away and writes one of its own, which goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  terminal.once('close', () => resolve(undefined));
  try {
    process.stderr.write(question);
    const answer = await Promise.race([terminal.question('').catch(() => undefined), closed]);
    if (answer === undefined) throw new WrongUse('no password was given');
    return answer;
  } finally {
    process.stderr.write('\n');
    terminal.close();
  }
}
