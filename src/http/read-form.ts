import type { IncomingMessage } from 'node:http';

/** Credentials and some dozens of scopes. */
const LIMIT_BYTES = 64 * 1024;

/** The fields of a request's body in `application/x-www-form-urlencoded`; a sentence says why there are none. */
export async function readForm(message: IncomingMessage): Promise<URLSearchParams | string> {
  const [type = ''] = (message.headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== 'application/x-www-form-urlencoded') {
    return 'the body must be application/x-www-form-urlencoded';
  }
  const tooLong = `the body has more than ${LIMIT_BYTES / 1024} KiB`;
  if (Number(message.headers['content-length'] ?? 0) > LIMIT_BYTES) return tooLong;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // The rest of what is too long is left to the server: destroying the request would take the answer with it.
    for await (const chunk of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > LIMIT_BYTES) return tooLong;
      chunks.push(chunk);
    }
  } catch {
    return 'the body did not come to its end';
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
