import type { IncomingMessage } from 'node:http';
import { invalid } from './fields.ts';
import { Refusal } from './refusal.ts';

const LIMIT_BYTES = 1024 * 1024;

/** The JSON of a request's body; no body is an empty object. @throws Refusal, OperationError `INVALID` */
export async function readJson(message: IncomingMessage, limitBytes = LIMIT_BYTES): Promise<unknown> {
  const bytes = await readBody(message, limitBytes);
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(`the body is not JSON: ${(error as Error).message}`);
  }
}

async function readBody(message: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if (Number(message.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const chunks: Buffer[] = [];
  let length = 0;
  // The rest of what is too large is left to the server: destroying the request would take the answer with it.
  for await (const chunk of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(limitBytes: number): Refusal {
  return new Refusal(413, 'INVALID', `the body has more than ${limitBytes / 1024} KiB`, { Connection: 'close' });
}
