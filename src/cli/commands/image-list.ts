import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { WrongUse } from '../wrong-use.ts';

/** The images that a file names, one on a line; `#` begins a comment. `-` is the standard input. @throws WrongUse */
export async function readImageList(file: string): Promise<string[]> {
  const content = file === '-' ? await text(process.stdin) : await readListFile(file);
  return content.split(/\r?\n/).flatMap((line) => line.replace(/(^|\s)#.*$/, '').trim() || []);
}

async function readListFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new WrongUse(`--file ${file} cannot be read: ${(error as Error).message}`);
  }
}
