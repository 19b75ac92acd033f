import type { Command } from 'commander';
import { askSecret } from '../ask-secret.ts';
import { show } from '../output/show.ts';
import { WrongUse } from '../wrong-use.ts';

/** More than any password has. */
const MAX_INPUT_CHARACTERS = 4096;

/** Adds `hash-password`, which makes a line for the file that `access.htpasswd` names. */
export function addHashPassword(program: Command): void {
  program
    .command('hash-password [user]')
    .description('hash a password, asked for or read from standard input, for the file of access.htpasswd')
    .action(async (user?: string) => {
      // Loaded late: no other command needs bcrypt.
      const { hashPassword } = await import('../../access/bcrypt.ts');
      const { nameProblem } = await import('../../access/htpasswd.ts');
      const problem = user === undefined ? undefined : nameProblem(user);
      if (problem !== undefined) throw new WrongUse(problem);
      const password = process.stdin.isTTY ? await askTwice() : await readLine();
      await refuseUnusable(password);
      const hash = await hashPassword(password);
      await show(user === undefined ? hash : `${user}:${hash}`, { json: false }, (line) => line);
    });
}

async function askTwice(): Promise<string> {
  const password = await askSecret('Password: ');
  if ((await askSecret('Again: ')) !== password) throw new WrongUse('the two passwords differ');
  return password;
}

/** The first line of what is piped in. */
async function readLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.includes('\n') || text.length > MAX_INPUT_CHARACTERS) break;
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
}

async function refuseUnusable(password: string): Promise<void> {
  const { MAX_PASSWORD_BYTES } = await import('../../access/bcrypt.ts');
  if (password === '') throw new WrongUse('the password is empty');
  // RFC 7617 section 2: Basic cannot carry them.
  if (/\p{Cc}/u.test(password)) throw new WrongUse('the password holds a control character');
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
    throw new WrongUse(`the password has more than ${MAX_PASSWORD_BYTES} bytes, and bcrypt would not look at the rest`);
  }
}
