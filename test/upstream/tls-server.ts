import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeCertificate } from '../support/certificate.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** An https server with a certificate of its own for 127.0.0.1 and registry.test. */
export interface TlsServer extends AsyncDisposable {
  readonly port: number;
  /** Its certificate, as PEM. */
  readonly certificate: string;
}

export async function tlsServer(handler: RequestListener): Promise<TlsServer> {
  await using directory = await temporaryDirectory();
  const { certFile, keyFile } = await makeCertificate(directory.path);
  const certificate = await readFile(certFile, 'utf8');
  const server = createServer({ key: await readFile(keyFile), cert: certificate }, handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    certificate,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
