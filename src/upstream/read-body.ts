import { contentLengthOf, type Exchange, type UpstreamResponse } from './exchange.ts';
import { UpstreamError } from './upstream-error.ts';

/** Reads the bodies of requests with `bodyLimitBytes` inside the exchange. */
export function readingBodies(next: Exchange, upstream: string): Exchange {
  return async (request) => {
    const response = await next(request);
    const limit = request.bodyLimitBytes;
    if (limit === undefined || response.status !== 200 || request.method === 'HEAD') return response;
    return { ...response, bytes: await readBody(response, limit, upstream) };
  };
}

/**
 * A body of at most `limitBytes`. Reading stops as soon as it is clear that there is more.
 * @throws UpstreamError `INVALID` for a longer one
 */
async function readBody(response: UpstreamResponse, limitBytes: number, upstream: string): Promise<Uint8Array> {
  const tooLarge = () => {
    response.drop();
    return new UpstreamError('INVALID', upstream, `${response.url.host} sent more than ${limitBytes} bytes`, {
      status: response.status,
    });
  };
  if ((contentLengthOf(response) ?? 0) > limitBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > limitBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** The first bytes of a body as text: enough to recognise an error page. The rest is discarded. */
export async function readStart(response: UpstreamResponse, limitBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= limitBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, limitBytes);
}
