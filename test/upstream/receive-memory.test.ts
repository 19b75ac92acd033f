import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { Readable } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { ReceiveMemory } from '../../src/upstream/receive-memory.ts';
import { seededBytes } from '../support/bytes.ts';
import { makeCertificate } from '../support/certificate.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const MIB = 1024 * 1024;
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

describe.each([
  ['TCP', false],
  ['TLS', true],
])('memory that connections by %s receive into', (_, isTls) => {
  const open = async (content: Buffer, memory: ReceiveMemory): Promise<Readable> => {
    const port = await serve(content, isTls);
    const options = { host: '127.0.0.1', port, onread: memory.onread };
    return isTls ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  };

  test('is used again once its bytes were given back', async () => {
    const memory = new ReceiveMemory();
    const content = seededBytes(32 * MIB, 1);
    const blocks = new Set<ArrayBufferLike>();
    let position = 0;
    for await (const chunk of chunksOf(await open(content, memory))) {
      expect(chunk.equals(content.subarray(position, position + chunk.length))).toBe(true);
      position += chunk.length;
      blocks.add(chunk.buffer);
      memory.release(chunk);
    }
    expect(position).toBe(content.length);
    expect(blocks.size).toBeLessThan(12);
  });

  test('stays as it is until then, with several connections at once that give it back in any order', async () => {
    const memory = new ReceiveMemory();
    const random = seededBytes(100_000, 'order');
    let next = 0;
    const one = async (seed: number) => {
      const content = seededBytes(12 * MIB, seed);
      const held: { readonly chunk: Buffer; readonly at: number }[] = [];
      const letGo = () => {
        const [{ chunk, at }] = held.splice((random[next++ % random.length] ?? 0) % held.length, 1) as [
          (typeof held)[0],
        ];
        expect(chunk.equals(content.subarray(at, at + chunk.length))).toBe(true);
        memory.release(chunk);
        memory.release(chunk.subarray(0, 0));
      };
      let position = 0;
      for await (const chunk of chunksOf(await open(content, memory))) {
        // Nothing is given back by these, however often.
        memory.release(chunk.subarray(0, 0));
        held.push({ chunk, at: position });
        position += chunk.length;
        if (held.length > 20) letGo();
      }
      while (held.length > 0) letGo();
      expect(position).toBe(content.length);
    };
    await Promise.all([one(1), one(2), one(3), one(4)]);
  });

  test('that nobody gives back is not used again', async () => {
    const memory = new ReceiveMemory();
    const content = seededBytes(4 * MIB, 1);
    const chunks = await Array.fromAsync(chunksOf(await open(content, memory)));
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });
});

test('bytes that are in other memory are none of its business', () => {
  expect(() => new ReceiveMemory().release(Buffer.alloc(10))).not.toThrow();
});

/** As undici reads: all that is there, whenever some is. */
async function* chunksOf(socket: Readable): AsyncGenerator<Buffer> {
  const closed = new Promise<boolean>((resolve) => socket.once('end', () => resolve(false)));
  for (;;) {
    for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null) yield chunk;
    const readable = new Promise<boolean>((resolve) => socket.once('readable', () => resolve(true)));
    if (!(await Promise.race([readable, closed]))) return;
  }
}

async function serve(content: Buffer, isTls: boolean): Promise<number> {
  const server = isTls
    ? createTlsServer(await newCertificate(), (socket) => socket.end(content))
    : createServer((socket) => socket.end(content));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function newCertificate(): Promise<{ cert: Buffer; key: Buffer }> {
  await using directory = await temporaryDirectory();
  const { certFile, keyFile } = await makeCertificate(directory.path);
  return { cert: await readFile(certFile), key: await readFile(keyFile) };
}
