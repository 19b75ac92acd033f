import { spawn } from 'node:child_process';
import { shellLine } from './command.ts';

/** What is typed at a question, as people do: when it is asked. */
export type Answer = readonly [question: string, typed: string];

/** Runs the program on a terminal of its own (util-linux script). */
export async function onTerminal(
  args: readonly string[],
  { answers = [], env = {} }: { answers?: readonly Answer[]; env?: NodeJS.ProcessEnv } = {},
): Promise<{ exitCode: number | null; shown: string }> {
  const child = spawn('script', ['--quiet', '--return', '--command', shellLine(args), '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const [question, typed] of answers) {
      if (!shown.includes(question) && (shown + text).includes(question)) child.stdin.write(typed);
    }
    shown += text;
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('close', resolve).once('error', reject);
  try {
    return { exitCode: await ended, shown };
  } finally {
    child.stdin.destroy();
  }
}
