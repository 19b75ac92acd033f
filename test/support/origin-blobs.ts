import { type Answer, type Exchange, errorAnswer } from './origin-exchange.ts';
import type { OriginOptions } from './origin-options.ts';
import { readRange } from './origin-range.ts';

/** GET or HEAD of a blob (distribution spec, end-2), or of the file that stands for it on the storage server. */
export function blobAnswer(exchange: Exchange, bytes: Uint8Array, digest: string, options: OriginOptions): Answer {
  const { headers: asked, method } = exchange.record;
  const headers: Record<string, string> = { 'Content-Type': 'application/octet-stream' };
  if (options.digestHeader !== false) headers['Docker-Content-Digest'] = digest;
  if (options.etag !== false) headers['ETag'] = `"${digest}"`;
  if (options.ranges === false) return { status: 200, headers, body: bytes, blob: digest };
  headers['Accept-Ranges'] = 'bytes';
  const range = method === 'GET' ? readRange(asked.range, bytes.length) : 'all';
  if (range === 'all') return { status: 200, headers, body: bytes, blob: digest };
  if (range === 'unsatisfiable') {
    return errorAnswer(416, 'UNSUPPORTED', { 'Content-Range': `bytes */${bytes.length}` });
  }
  headers['Content-Range'] = `bytes ${range.start}-${range.end}/${bytes.length}`;
  return { status: 206, headers, body: bytes.subarray(range.start, range.end + 1), blob: digest };
}
