import { createServer, request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { publicOriginOf } from '../../src/http/public-origin.ts';
import { makeCertificate } from '../support/certificate.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** What a server behind TLS says that it is called. */
async function originOverTls(host: string, configured?: URL): Promise<object> {
  await using directory = await temporaryDirectory();
  const { certFile, keyFile } = await makeCertificate(directory.path);
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  const server = createServer({ cert, key }, (message, response) => {
    response.end(JSON.stringify(publicOriginOf(message, configured)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const tls = { ca: cert, servername: 'registry.test', agent: false } as const;
    const sending = request({ ...tls, host: '127.0.0.1', port, headers: { Host: host } }).end();
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    return JSON.parse(await text(answer)) as object;
  } finally {
    server.close();
  }
}

test('over TLS a server is called by https', async () => {
  expect(await originOverTls('registry.test')).toEqual({ url: 'https://registry.test', host: 'registry.test' });
});

test('a configured URL counts, whatever clients say', async () => {
  const configured = new URL('https://registry.example.com:8443');
  expect(await originOverTls('other.example', configured)).toEqual({
    url: 'https://registry.example.com:8443',
    host: 'registry.example.com:8443',
  });
});
