import fc from 'fast-check';
import { basic } from './send.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const HEAD = `Host: localhost\r\nAuthorization: ${basic('ci')}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const OPEN = `POST /v2/local/raw/blobs/uploads/ HTTP/1.1\r\n${HEAD}Content-Length: 0\r\n\r\n`;
const PUT = 'PUT /v2/local/raw/manifests/v1 HTTP/1.1\r\n';

/** HTTP that no proper client sends. */
export const RAW_REQUESTS: readonly { readonly name: string; readonly text: string }[] = [
  { name: 'nothing in it', text: '' },
  { name: 'no HTTP in it', text: 'hello\r\n\r\n' },
  { name: 'TLS in it', text: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  { name: 'no end', text: `GET /v2/ HTTP/1.1\r\n${HEAD}` },
  { name: 'no Host', text: 'GET /v2/ HTTP/1.1\r\n\r\n' },
  { name: 'another version', text: `GET /v2/ HTTP/7.3\r\n${HEAD}\r\n` },
  { name: 'version 1.0', text: `GET /v2/ HTTP/1.0\r\n\r\n` },
  { name: 'CONNECT', text: `CONNECT localhost:22 HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'a whole URL', text: `GET http://other.example/v2/ HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'an asterisk', text: `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'a path without a slash', text: `GET v2/ HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'two slashes first', text: `GET //v2/local/raw/manifests/v1 HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'control characters', text: `GET /v2/\x00\x01\x7f HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'a space in its path', text: `GET /v2/local/a b/tags/list HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'a fragment', text: `GET /v2/#/x HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'a very long path', text: `GET /v2/${'a/'.repeat(40_000)} HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'a very long header', text: `GET /v2/ HTTP/1.1\r\n${HEAD}X: ${'y'.repeat(100_000)}\r\n\r\n` },
  { name: 'very many headers', text: `GET /v2/ HTTP/1.1\r\n${HEAD}${'A: b\r\n'.repeat(3000)}\r\n` },
  { name: 'two lengths', text: `${PUT}${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x` },
  { name: 'a length and chunks', text: `${PUT}${HEAD}${CHUNKED}Content-Length: 2\r\n\r\n0\r\n\r\n` },
  { name: 'a negative length', text: `${PUT}${HEAD}Content-Length: -1\r\n\r\n{}` },
  { name: 'a huge length', text: `${PUT}${HEAD}Content-Length: 99999999999999999999\r\n\r\n{}` },
  { name: 'a length that is more than comes', text: `${PUT}${HEAD}Content-Length: 500\r\n\r\n{}` },
  { name: 'a length that is less than comes', text: `${PUT}${HEAD}Content-Length: 1\r\n\r\n{}{}{}` },
  { name: 'a broken chunk', text: `${PUT}${HEAD}${CHUNKED}\r\nxyz\r\n{}\r\n0\r\n\r\n` },
  { name: 'a huge chunk', text: `${PUT}${HEAD}${CHUNKED}\r\nffffffffffffffff\r\n{}\r\n` },
  { name: 'chunks without end', text: `${PUT}${HEAD}${CHUNKED}\r\n2\r\n{}\r\n` },
  { name: 'another transfer coding', text: `${PUT}${HEAD}Transfer-Encoding: gzip\r\n\r\n{}` },
  { name: 'another expectation', text: `${PUT}${HEAD}Expect: wonders\r\nContent-Length: 2\r\n\r\n{}` },
  { name: 'two in one', text: `${OPEN}${OPEN}` },
  { name: 'a smuggled one', text: `${PUT}${HEAD}${CHUNKED}\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\n${HEAD}\r\n` },
  { name: 'an upgrade', text: `GET /v2/ HTTP/1.1\r\n${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n` },
  { name: 'HTTP/2 in it', text: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'two Authorization headers', text: `GET /v2/ HTTP/1.1\r\n${HEAD}Authorization: Bearer x\r\n\r\n` },
];

const PROPER = [
  `GET /v2/local/fuzz/manifests/v1 HTTP/1.1\r\n${HEAD}Range: bytes=0-10\r\n\r\n`,
  `${OPEN}GET /v2/_catalog HTTP/1.1\r\n${HEAD}\r\n`,
  `${PUT}${HEAD}Content-Type: ${MANIFEST}\r\nContent-Length: 19\r\n\r\n{"schemaVersion":2}`,
  `${PUT}${HEAD}${CHUNKED}\r\n13\r\n{"schemaVersion":2}\r\n0\r\n\r\n`,
  `PATCH /v2/local/raw/blobs/uploads/${'0'.repeat(32)} HTTP/1.1\r\n${HEAD}Content-Range: 0-1\r\nContent-Length: 2\r\n\r\nab`,
  `DELETE /v2/local/raw/manifests/v1 HTTP/1.1\r\n${HEAD}\r\n`,
];

const change = fc.record({
  kind: fc.constantFrom('replace', 'insert', 'remove', 'repeat'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.constantFrom(Buffer.from('\r\n'), Buffer.from(': '), Buffer.from('%')),
  ),
});

/** A proper request that was changed in a few places. */
export const rawRequest: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.constantFrom(...PROPER), fc.array(change, { minLength: 1, maxLength: 5 }))
  .map(([text, changes]) => {
    let bytes: Buffer = Buffer.from(text, 'latin1');
    for (const { kind, at, bytes: piece } of changes) {
      const offset = Math.floor(at * bytes.length);
      const [before, after] = [bytes.subarray(0, offset), bytes.subarray(offset)];
      if (kind === 'insert') bytes = Buffer.concat([before, piece, after]);
      else if (kind === 'replace') bytes = Buffer.concat([before, piece, after.subarray(piece.length)]);
      else if (kind === 'remove') bytes = Buffer.concat([before, after.subarray(piece.length)]);
      else bytes = Buffer.concat([before, after.subarray(0, 40), after]);
    }
    return bytes;
  });
