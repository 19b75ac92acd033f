import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { OpenBlob } from '../registry/open-blob.ts';
import type { Answer, StreamedBody } from './answer.ts';
import { resolveRanges, type ByteRange, type RangeSpec } from './byte-range.ts';
import { errorAnswer } from './error-answer.ts';
import { sendBytes } from './send-bytes.ts';

/** A registry does not know what a blob is; the manifest's descriptor tells. */
export const BLOB_CONTENT_TYPE = 'application/octet-stream';

/** The answer with a blob, whole or in the ranges asked for (RFC 9110 14). It closes the blob when it is written. */
export async function blobAnswer(
  blob: OpenBlob,
  specs: readonly RangeSpec[] | undefined,
  headers: Answer['headers'],
): Promise<Answer> {
  const { sizeBytes, outcome } = blob;
  const ranges = specs && sizeBytes !== undefined ? resolveRanges(specs, sizeBytes) : undefined;
  if (ranges === undefined || sizeBytes === undefined) {
    const length: Answer['headers'] = sizeBytes === undefined ? {} : { 'Content-Length': sizeBytes };
    const body = bodyOf(blob, (response, onBytes) =>
      sendBytes(blob, { startBytes: 0, endBytes: sizeBytes }, response, onBytes),
    );
    return { status: 200, headers: { ...headers, 'Content-Type': BLOB_CONTENT_TYPE, ...length }, body, outcome };
  }
  const [range] = ranges;
  if (!range) {
    await blob[Symbol.asyncDispose]();
    return errorAnswer(416, 'UNSUPPORTED', `the blob has ${sizeBytes} bytes`, {
      'Content-Range': `bytes */${sizeBytes}`,
    });
  }
  if (ranges.length > 1) return multipartAnswer(blob, ranges, sizeBytes, headers);
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Type': BLOB_CONTENT_TYPE,
      'Content-Length': range.endBytes - range.startBytes,
      'Content-Range': contentRange(range, sizeBytes),
    },
    body: bodyOf(blob, (response, onBytes) => sendBytes(blob, range, response, onBytes)),
    outcome,
  };
}

/** Several ranges, one part each, in the order asked for: partial pulls of zstd:chunked layers rely on that. */
function multipartAnswer(
  blob: OpenBlob,
  ranges: readonly ByteRange[],
  sizeBytes: number,
  headers: Answer['headers'],
): Answer {
  const boundary = randomBytes(12).toString('hex');
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${BLOB_CONTENT_TYPE}\r\nContent-Range: ${contentRange(range, sizeBytes)}\r\n\r\n`,
    ),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const contentBytes = ranges.reduce((sum, range) => sum + range.endBytes - range.startBytes, 0);
  const body = bodyOf(blob, async (response, onBytes) => {
    for (const [position, range] of ranges.entries()) {
      response.write(heads[position]);
      await sendBytes(blob, range, response, onBytes);
    }
    response.write(tail);
  });
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Type': `multipart/byteranges; boundary=${boundary}`,
      'Content-Length': heads.reduce((sum, head) => sum + head.length, tail.length + contentBytes),
    },
    body,
    outcome: blob.outcome,
  };
}

function bodyOf(
  blob: OpenBlob,
  write: (response: ServerResponse, onBytes: (bytes: number) => void) => Promise<void>,
): StreamedBody {
  return {
    write: async (response, onBytes) => {
      // A client that goes while we wait for the upstream ends the wait, not the fill.
      const close = () => {
        Promise.resolve(blob[Symbol.asyncDispose]()).catch(() => undefined);
      };
      response.once('close', close);
      try {
        await write(response, onBytes);
      } finally {
        response.off('close', close);
      }
    },
    [Symbol.asyncDispose]: () => blob[Symbol.asyncDispose](),
  };
}

function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.startBytes}-${range.endBytes - 1}/${sizeBytes}`;
}
