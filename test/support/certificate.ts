import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files in PEM. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a key and a certificate of its own for 127.0.0.1 and registry.test, over those that the folder has. */
export async function makeCertificate(folder: string): Promise<CertificateFiles> {
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  const names = 'subjectAltName=IP:127.0.0.1,DNS:registry.test';
  const subject = ['-subj', '/CN=registry.test', '-addext', names, '-days', '1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', ['req', '-x509', ...key, ...subject, '-keyout', files.keyFile, '-out', files.certFile]);
  return files;
}
