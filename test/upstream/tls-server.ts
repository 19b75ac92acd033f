import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const run = promisify(execFile);

/** An https server with a certificate of its own for 127.0.0.1 and registry.test. */
export interface TlsServer extends AsyncDisposable {
  readonly port: number;
  /** Its certificate, as PEM. */
  readonly certificate: string;
}

export async function tlsServer(handler: RequestListener): Promise<TlsServer> {
  await using directory = await temporaryDirectory();
  const [keyFile, certFile] = [join(directory.path, 'key.pem'), join(directory.path, 'cert.pem')];
  const names = 'subjectAltName=IP:127.0.0.1,DNS:registry.test';
  const subject = ['-subj', '/CN=registry.test', '-addext', names, '-days', '1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', ['req', '-x509', ...key, ...subject, '-keyout', keyFile, '-out', certFile]);
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
